"""What the phases of a procedure share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kprov.provision.bundle import Bundle
from kprov.provision.engine import Engine
from kprov.provision.inventory import Inventory
from kprov.provision.pki.authorities import Authorities

PAUSE_IMAGE = "registry.kprov.local/pause:1"


@dataclass(slots=True)
class Context:
    """The run: its engine, the inventory, what machines need, and the cluster's authorities.

    ``variables`` are given to every role, on top of the inventory's.
    """

    engine: Engine
    inventory: Inventory
    bundle: Bundle
    authorities: Authorities
    variables: dict[str, Any] = field(default_factory=dict)

    def role_variables(self) -> dict[str, Any]:
        """What roles and templates know besides the inventory and the facts."""
        return {
            "pause_image": PAUSE_IMAGE,
            # In a container the kernel belongs to the host: some settings are not the machine's to make.
            "machine_is_container": "{{ ansible_virtualization_type in container_types }}",
            "container_types": ["systemd-nspawn", "lxc", "container", "docker", "podman"],
            "cgroup_driver": "{{ 'systemd' if kprov_cgroup_version == 2 else 'cgroupfs' }}",
            **self.variables,
        }
