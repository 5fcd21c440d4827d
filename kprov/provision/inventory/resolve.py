"""Turns layers into typed hosts and settings; each value is checked where it was written."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kprov.provision.inventory import values
from kprov.provision.inventory.host_variables import HOST_VARIABLES, is_secret
from kprov.provision.inventory.model import Host, Layer
from kprov.provision.inventory.problems import Location, ProblemLog
from kprov.provision.inventory.settings import CLUSTER_SETTINGS, ClusterSettings, check_of

_JUMP = re.compile(r"^-J\s*(?P<plain>\S+)$|^-o\s*[\"']?ProxyJump[= ](?P<option>[^\"'\s]+)[\"']?$")


class Resolver:
    """Checks each written value once and hands out typed ones."""

    def __init__(self, log: ProblemLog, inventory_file: Path) -> None:
        self.log = log
        self.folder = inventory_file.absolute().parent
        self._reported: set[tuple[Location, str]] = set()

    def _checked(self, name: str, check: values.Check, value: Any, location: Location) -> Any:
        """The value checked, or None after a problem was noted (once for each place)."""
        message, hint = "", None
        if isinstance(value, str) and "{{" in value:
            message, hint = "is read before templates are, so it can't be one", "write the value itself"
            if is_secret(name):
                hint = "keep it in a file of yours and give that with --extra-vars @FILE"
        else:
            try:
                return check(value)
            except values.BadValue as error:
                message, hint = str(error), error.suggestion
        if (location, name) not in self._reported:
            self._reported.add((location, name))
            self.log.add(location, f"{name} {message}", hint)
        return None

    def settings(self, layers: Mapping[str, list[Layer]]) -> dict[str, Any]:
        """The cluster's settings that were given, from the layers that hold for all machines."""
        given = {}
        for name, (*_, winner) in layers.items():
            if name in CLUSTER_SETTINGS:
                value = self._checked(name, check_of(name), winner.value, winner.location or Location("default"))
                if value is not None:
                    given[name] = value
        return given

    def host(
        self, name: str, groups: tuple[str, ...], layers: dict[str, list[Layer]], cluster: ClusterSettings, at: Location
    ) -> Host:
        """A typed host. What is wrong with it is in the log; the host is then only good for finding more mistakes."""
        merged: dict[str, Any] = cluster.variables()
        for variable, (*_, winner) in layers.items():
            merged[variable] = winner.value
            if variable in CLUSTER_SETTINGS and variable != "max_pods":
                merged[variable] = cluster.variables()[variable]
            elif variable in HOST_VARIABLES or variable == "max_pods":
                check = HOST_VARIABLES[variable].check if variable in HOST_VARIABLES else check_of(variable)
                merged[variable] = self._checked(variable, check, winner.value, winner.location or at)
        address = merged.get("ansible_host") or name
        merged["ansible_host"] = address
        merged["node_address"] = merged.get("node_address") or self._node_address(address)
        key = merged.get("ansible_ssh_private_key_file")
        return Host(
            name=name,
            address=address,
            node_address=merged["node_address"] or "",
            port=merged.get("ansible_port") or 22,
            user=merged.get("ansible_user") or "root",
            password=merged.get("ansible_password"),
            become=bool(merged.get("ansible_become")),
            become_user=merged.get("ansible_become_user") or "root",
            become_password=merged.get("ansible_become_password"),
            private_key_file=self.folder / Path(key).expanduser() if key else None,
            jump_host=self._jump_host(merged, layers),
            host_key=merged.get("kprov_host_key"),
            power_off_command=merged.get("kprov_power_off_command"),
            power_on_command=merged.get("kprov_power_on_command"),
            groups=groups,
            variables=merged,
        )

    @staticmethod
    def _node_address(address: str) -> str | None:
        try:
            return str(ipaddress.IPv4Address(address))
        except ValueError:
            return None

    def _jump_host(self, merged: dict[str, Any], layers: dict[str, list[Layer]]) -> str | None:
        given = merged.get("kprov_jump_host")
        arguments = merged.get("ansible_ssh_common_args")
        if given or not arguments:
            return str(given) if given else None
        jump = _JUMP.match(arguments.strip())
        if jump:
            return jump["plain"] or jump["option"]
        location = layers["ansible_ssh_common_args"][-1].location
        if location and (location, "ansible_ssh_common_args") not in self._reported:
            self._reported.add((location, "ansible_ssh_common_args"))
            self.log.add(
                location,
                f"ansible_ssh_common_args: of ssh's arguments only a jump host is understood, not {arguments!r}",
                "write -J user@host, or set kprov_jump_host",
            )
        return None
