"""Which machines a lab has, and where each is found."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from kprov.debian.releases import release_named
from kprov.lab.errors import LabError

_NAME = re.compile(r"[a-z][a-z0-9-]{0,6}")
DEFAULT_NAME = "lab"
DEFAULT_SUBNET = "10.90.0.0/24"
_VIRTUAL_ADDRESS = 9  # below those of the machines
_SMALLEST_DISK, _LARGEST_DISK = 256, 16384  # MiB; etcd's log alone takes 128


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine.

    Attributes:
        release: its Debian release ("12").
        address: in the lab.
        groups: in the inventory.
        etcd_disk: MiB of a disk of its own under /var/lib/etcd; 0: it lies on the one disk with all else.
    """

    name: str
    release: str
    address: str
    groups: tuple[str, ...]
    etcd_disk: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """A lab: its name (several may stand side by side), its subnet, its machines."""

    name: str = DEFAULT_NAME
    subnet: str = DEFAULT_SUBNET
    machines: tuple[Machine, ...] = field(default=())

    @property
    def bridge(self) -> str:
        """The host's bridge that the machines hang on."""
        return f"kp-{self.name}"

    @property
    def gateway(self) -> str:
        """The host's address on that bridge."""
        return str(next(ipaddress.ip_network(self.subnet).hosts()))

    @property
    def api_virtual_address(self) -> str:
        """The address that its control-plane machines share; "" where there is only one of them."""
        sharing = [machine for machine in self.machines if "control_plane" in machine.groups]
        return str(ipaddress.ip_network(self.subnet)[_VIRTUAL_ADDRESS]) if len(sharing) > 1 else ""

    @property
    def prefix_length(self) -> int:
        """The subnet's prefix length."""
        return ipaddress.ip_network(self.subnet).prefixlen

    def machine(self, name: str) -> Machine:
        """The machine of that name. Raises LabError naming those that exist."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        known = ", ".join(machine.name for machine in self.machines) or "none"
        raise LabError(f"no machine {name!r} in the lab; there are: {known}")

    def host_link(self, name: str) -> str:
        """The host's end of a machine's network cable, named as systemd-nspawn names it."""
        return f"vb-{self.nspawn_name(name)}"

    def nspawn_name(self, name: str) -> str:
        """A machine's name among all machines of this host."""
        return f"{self.name}-{name}"

    def to_json(self) -> dict[str, Any]:
        """This layout as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Layout:
        """The layout that ``to_json`` wrote."""
        machines = tuple(Machine(**{**row, "groups": tuple(row["groups"])}) for row in data["machines"])
        return cls(name=data["name"], subnet=data["subnet"], machines=machines)


def lay_out(
    *,
    name: str = DEFAULT_NAME,
    subnet: str = DEFAULT_SUBNET,
    control_planes: int = 3,
    workers: int = 2,
    releases: tuple[str, ...] = (),
    etcd_disk: int = 0,
) -> Layout:
    """Plan a lab: cp1.. are etcd and control plane, w1.. are workers; without workers, cp1.. are nodes as well.

    Args:
        name: up to 7 of a-z, 0-9 and "-": it is part of link names, which are short.
        subnet: an IPv4 network that nothing else uses.
        control_planes: how many cpN; they get .11, .12, ...
        workers: how many wN; they get .21, .22, ...
        releases: the workers' Debian releases, taken in turn; by default 12 and 13. The control plane is Debian 12
            unless exactly one release is named, which then holds for all.
        etcd_disk: MiB of a disk for etcd's data alone on each cpN; 0 for none.

    Raises LabError for a name or size that cannot be.
    """
    if not _NAME.fullmatch(name):
        raise LabError(f"lab name {name!r}: use up to 7 of a-z, 0-9 and '-', starting with a letter")
    network = ipaddress.ip_network(subnet)
    if network.version != 4 or network.prefixlen > 24:
        raise LabError(f"subnet {subnet}: an IPv4 network of /24 or wider is needed")
    if not 0 <= control_planes <= 9 or not 0 <= workers <= 200 or control_planes + workers == 0:
        raise LabError("a lab has 0 to 9 control planes and 0 to 200 workers, and at least one machine")
    if etcd_disk and not _SMALLEST_DISK <= etcd_disk <= _LARGEST_DISK:
        raise LabError(f"a disk for etcd of {etcd_disk} MiB: {_SMALLEST_DISK} to {_LARGEST_DISK} will do")
    numbers = tuple(release_named(text).number for text in releases) or ("12", "13")
    head = numbers[0] if len(numbers) == 1 else "12"
    groups = ("etcd", "control_plane") if workers else ("etcd", "control_plane", "node")
    machines = [Machine(f"cp{i}", head, str(network[10 + i]), groups, etcd_disk) for i in range(1, control_planes + 1)]
    machines += [
        Machine(f"w{i}", numbers[(i - 1) % len(numbers)], str(network[20 + i]), ("node",))
        for i in range(1, workers + 1)
    ]
    return Layout(name=name, subnet=subnet, machines=tuple(machines))
