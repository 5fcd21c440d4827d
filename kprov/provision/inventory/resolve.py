"""Turns layers into typed hosts and settings; each value is checked where it was written."""

from __future__ import annotations

import getpass
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kprov.provision.documents import Unsafe
from kprov.provision.inventory import ssh_arguments, values
from kprov.provision.inventory.groups import ALL
from kprov.provision.inventory.host_variables import ALIASES, HOST_VARIABLES, is_secret
from kprov.provision.inventory.model import Host, Layer
from kprov.provision.inventory.problems import Location, ProblemLog
from kprov.provision.inventory.settings import CLUSTER_SETTINGS, check_of

# Renders a template with a host's variables; raises ValueError saying what is wrong with it.
Render = Callable[[str, Mapping[str, Any]], Any]

_ARGUMENTS = "ansible_ssh_common_args"
_KEY_FILE = "ansible_ssh_private_key_file"


class Resolver:
    """Checks each written value once and hands out typed ones.

    Args:
        log: where problems go.
        folder: what relative paths begin at.
        is_cluster: whether the hosts are a cluster's; else they have what Ansible gives them, and nothing more.
        render: renders templates; None: they are mistakes.
        groups: the groups with their hosts, for templates.
        private_key_file: the key of hosts that name none; not for a cluster's.
    """

    def __init__(
        self,
        log: ProblemLog,
        folder: Path,
        *,
        is_cluster: bool = True,
        render: Render | None = None,
        groups: Callable[[], Mapping[str, Sequence[str]]] = dict,
        private_key_file: Path | None = None,
    ) -> None:
        self._groups = groups
        self.private_key_file = private_key_file
        self._known_groups: dict[str, list[str]] | None = None
        self.log = log
        self.folder = folder
        self.is_cluster = is_cluster
        self.render = render
        self._reported: set[tuple[Location, str]] = set()

    def _report(self, name: str, location: Location, message: str, hint: str | None, *, doubt: bool = False) -> None:
        """Note a problem once for each place, however many hosts have it."""
        if (location, name) not in self._reported:
            self._reported.add((location, name))
            (self.log.doubt if doubt else self.log.add)(location, f"{name} {message}", hint)

    def _checked(
        self, name: str, check: values.Check, layer: Layer, at: Location, variables: Mapping[str, Any] | None = None
    ) -> Any:
        """The value of ``layer`` checked, or None after a problem was noted.

        Args: ``at`` is where the problem is where the layer has no place of its own; ``variables`` are what templates
        may name.
        """
        value, location = layer.value, layer.location or at
        if isinstance(value, str) and not isinstance(value, Unsafe) and ("{{" in value or "{%" in value):
            if self.render is None or variables is None:
                hint = "write the value itself"
                if is_secret(name):
                    hint = "encrypt the value itself: kprov vault encrypt-string"
                self._report(name, location, "is read before templates are, so it can't be one", hint)
                return None
            try:
                value = self.render(value, {**variables, "groups": self._all_groups()})
            except ValueError as error:
                self._report(name, location, f"can't be rendered: {error}", None)
                return None
            secret = True  # what it is made of may be one
        else:
            secret = layer.secret or is_secret(name)
        if not self.is_cluster and check is values.text and isinstance(value, (int, float)):
            value = str(value)  # INI's "ansible_password=1234" is a number
        try:
            return check(value)
        except values.BadValue as error:
            if secret:
                self._report(name, location, "has a value that it can't have (a secret, so it is not shown)", None)
            else:
                self._report(name, location, str(error), error.suggestion)
            return None

    def _all_groups(self) -> dict[str, list[str]]:
        if self._known_groups is None:
            self._known_groups = {name: list(hosts) for name, hosts in self._groups().items()}
        return self._known_groups

    def settings(self, layers: Mapping[str, list[Layer]]) -> dict[str, Any]:
        """The cluster's settings that were given, from the layers that hold for all machines."""
        given = {}
        for name, (*_, winner) in layers.items():
            if name in CLUSTER_SETTINGS:
                value = self._checked(name, check_of(name), winner, Location("default"))
                if value is not None:
                    given[name] = value
        return given

    def host(
        self,
        name: str,
        groups: tuple[str, ...],
        layers: Mapping[str, list[Layer]],
        settings: Mapping[str, Any],
        at: Location,
        origin: Path,
    ) -> Host:
        """A typed host. What is wrong with it is in the log; the host is then only good for finding more mistakes.

        Args: ``settings`` are the cluster's, with their defaults; ``at`` is where the host was named first, ``origin``
        the file.
        """
        # What templates may name besides, as in Ansible: it beats what the inventory says under these names.
        magic = {
            "inventory_hostname": name,
            "inventory_hostname_short": name.split(".")[0],
            "group_names": sorted(group for group in groups if group != ALL),
            "inventory_file": str(origin.absolute()),
            "inventory_dir": str(self.folder),
        }
        if self.is_cluster:
            merged = self._cluster_variables(layers, settings, at, magic)
        else:
            merged = self._plain_variables(layers, at, magic)
            merged.setdefault("inventory_file", str(origin.absolute()))
            merged.setdefault("inventory_dir", str(self.folder))
        address = merged.get("ansible_host") or name
        node_address = merged.get("node_address") if self.is_cluster else None
        node_address = node_address or self._node_address(address)
        if self.is_cluster:
            merged["ansible_host"] = address
            merged["node_address"] = node_address
        key = self._key_file(merged.get(_KEY_FILE)) or (None if self.is_cluster else self.private_key_file)
        jump = self._jump_host(merged, layers)
        # Whoever connects reads the variables.
        if key:
            merged[_KEY_FILE] = str(key)
        if jump:
            merged["kprov_jump_host"] = jump
        return Host(
            name=name,
            address=address,
            node_address=node_address or "",
            port=merged.get("ansible_port") or 22,
            user=merged.get("ansible_user") or ("root" if self.is_cluster else _own_user()),
            password=merged.get("ansible_password"),
            become=bool(merged.get("ansible_become")),
            become_user=merged.get("ansible_become_user") or "root",
            become_password=merged.get("ansible_become_password"),
            private_key_file=key,
            jump_host=jump,
            host_key=merged.get("kprov_host_key"),
            power_off_command=merged.get("kprov_power_off_command"),
            power_on_command=merged.get("kprov_power_on_command"),
            groups=groups,
            variables=merged,
        )

    def _cluster_variables(
        self, layers: Mapping[str, list[Layer]], settings: Mapping[str, Any], at: Location, magic: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Every setting with its default, and what was written, checked."""
        merged = {**settings, **{name: winner.value for name, (*_, winner) in layers.items()}}
        raw = {**merged, **magic}
        for variable, (*_, winner) in layers.items():
            if variable in CLUSTER_SETTINGS and variable != "max_pods":
                merged[variable] = settings[variable]
            elif variable in HOST_VARIABLES or variable == "max_pods":
                check = HOST_VARIABLES[variable].check if variable in HOST_VARIABLES else check_of(variable)
                merged[variable] = self._checked(variable, check, winner, at, raw)
        return merged

    def _plain_variables(
        self, layers: Mapping[str, list[Layer]], at: Location, magic: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What was written; of it only how to connect is checked, under Ansible's present name for it."""
        raw = {name: winner.value for name, (*_, winner) in layers.items()}
        merged = dict(raw)
        for variable, (*_, winner) in layers.items():
            name = ALIASES.get(variable, variable)
            says_how = name in HOST_VARIABLES and name.startswith(("ansible_", "kprov_"))
            if says_how and (name == variable or name not in raw):
                check = values.plain_connection if name == "ansible_connection" else HOST_VARIABLES[name].check
                merged[name] = self._checked(name, check, winner, at, {**raw, **magic})
        return merged

    def _key_file(self, written: str | None) -> Path | None:
        """Relative paths begin at the inventory's folder; in a plain one, as in Ansible, where nothing is there."""
        if not written:
            return None
        path = Path(written)
        try:
            path = path.expanduser()
        except RuntimeError:
            return path  # nobody has that home; the check of files says that it is not there
        beside = self.folder / path
        return beside if self.is_cluster or beside.exists() else path.absolute()

    @staticmethod
    def _node_address(address: str) -> str | None:
        try:
            return str(ipaddress.IPv4Address(address))
        except ValueError:
            return None

    def _jump_host(self, merged: Mapping[str, Any], layers: Mapping[str, list[Layer]]) -> str | None:
        given = merged.get("kprov_jump_host")
        written = merged.get(_ARGUMENTS)
        if given or not written:
            return str(given) if given else None
        found = ssh_arguments.parse(written)
        location = layers[_ARGUMENTS][-1].location if _ARGUMENTS in layers else None
        if location and (found.unknown or (found.wants_any_host_key and not self.is_cluster)):
            if found.unknown or self.is_cluster:
                self._report(
                    f"{_ARGUMENTS}:",
                    location,
                    f"of ssh's arguments only a jump host is understood, not {written!r}",
                    "write -J user@host, or set kprov_jump_host",
                    doubt=True,
                )
            else:
                self._report(
                    f"{_ARGUMENTS}:",
                    location,
                    "host keys are always checked",
                    "call kprov with --accept-new-host-keys to trust machines that are not known yet",
                    doubt=True,
                )
        return found.jump_host


def _own_user() -> str:
    """Who runs kprov: whom ssh logs in as where nobody is named."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "root"
