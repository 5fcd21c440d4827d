"""Makes an inventory of Vagrant's machines, from what ``vagrant ssh-config`` says."""

from __future__ import annotations

import ipaddress
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from kprov.provision import programs
from kprov.provision.documents import Unreadable, decode, read

# Machines whose name begins so run the control plane.
_CONTROL_PLANE = re.compile(r"^(cp|control|master)", re.IGNORECASE)
# The two ways in which Vagrantfiles give machines their private address.
_DEFINE = re.compile(r"""\.vm\.define\s*\(?\s*["':]?(?P<name>[A-Za-z0-9_.-]+)["']?""")
_PRIVATE_NETWORK = re.compile(r"""private_network["']?\s*,.*?ip\s*[:=]>?\s*["'](?P<address>[0-9.]+)["']""")
_TABLE_ROW = re.compile(r"""["'](?P<name>[A-Za-z0-9.-]+)["']\s*=>\s*["'](?P<address>\d+(?:\.\d+){3})["']""")
_TIMEOUT_SECONDS = 120.0
_LARGEST = 16 * 1024 * 1024


class VagrantError(Exception):
    """What stands between a Vagrantfile and its inventory; the message says what to do."""


@dataclass(frozen=True, slots=True)
class VagrantMachine:
    """One ``Host`` block of ssh-config."""

    name: str
    host: str
    port: int
    user: str
    key: str | None


def import_vagrant(
    *,
    directory: Path | None,
    ssh_config: Path | None,
    addresses: Mapping[str, str],
    cluster_name: str,
) -> str:
    """The text of an inventory for the machines of a Vagrantfile.

    Args:
        directory: where the Vagrantfile is; the default is here.
        ssh_config: the saved output of ``vagrant ssh-config``; ``-`` is standard input; None runs vagrant.
        addresses: machine -> its address on the private network; stronger than what the Vagrantfile says.

    Raises VagrantError.
    """
    folder = directory or Path()
    machines = parse_ssh_config(_ssh_config_text(folder, ssh_config))
    if not machines:
        raise VagrantError("vagrant ssh-config names no machine: run `vagrant up` first")
    unknown = set(addresses) - {machine.name for machine in machines}
    if unknown:
        names = ", ".join(machine.name for machine in machines)
        raise VagrantError(f"--address {sorted(unknown)[0]}: no such machine; there are {names}")
    known = {**_addresses_in_vagrantfile(folder / "Vagrantfile"), **addresses}
    return render(machines, known, cluster_name)


def _ssh_config_text(folder: Path, ssh_config: Path | None) -> str:
    if ssh_config is not None:
        if str(ssh_config) == "-":
            return sys.stdin.read()
        try:
            return decode(read(ssh_config))
        except Unreadable as error:
            raise VagrantError(f"{ssh_config}: {error}") from None
    if not (folder / "Vagrantfile").exists():
        raise VagrantError(f"there is no Vagrantfile in {folder.absolute()}: name its folder with --directory")
    program = shutil.which("vagrant")
    if program is None:
        raise VagrantError("vagrant is not installed: save its output elsewhere and give it with --ssh-config FILE")
    try:
        done = programs.run([program, "ssh-config"], seconds=_TIMEOUT_SECONDS, most=_LARGEST, folder=folder)
    except programs.TookTooLong:
        raise VagrantError(f"vagrant ssh-config did not answer within {_TIMEOUT_SECONDS:.0f} s") from None
    except programs.PrintedTooMuch:
        raise VagrantError(
            f"vagrant ssh-config printed more than {_LARGEST >> 20} MiB: this is no ssh-config"
        ) from None
    # With some machines down vagrant fails but still describes the others: an inventory of a part would be wrong.
    if done.code != 0:
        raise VagrantError(
            f"vagrant ssh-config failed: {done.last_words}\n"
            "Of a Vagrantfile whose machines are not all up, say which are meant: "
            "vagrant ssh-config cp1 worker1 | kprov inventory import vagrant --ssh-config -"
        )
    return done.text


def parse_ssh_config(text: str) -> list[VagrantMachine]:
    """Read ``Host`` blocks. Raises VagrantError naming the line that can't be read."""
    blocks: list[dict[str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        keyword, value = _option(stripped, number)
        if keyword == "host":
            blocks.append({"host": value})
        elif not blocks:
            raise VagrantError(f"ssh-config line {number}: {stripped!r} stands before the first Host")
        else:
            blocks[-1].setdefault(keyword, value)  # as ssh does: the first value counts
    return [_machine(block) for block in blocks if block["host"] != "*"]


def _option(line: str, number: int) -> tuple[str, str]:
    match = re.match(r"(\w+)(?:\s*=\s*|\s+)(.+)$", line)
    if match is None:
        raise VagrantError(f"ssh-config line {number}: {line!r} is not of the form `Keyword value`")
    try:
        words = shlex.split(match[2])
    except ValueError as error:
        raise VagrantError(f"ssh-config line {number}: {error}") from None
    return match[1].lower(), words[0] if words else ""


def _machine(block: dict[str, str]) -> VagrantMachine:
    name = block["host"]
    port = block.get("port", "22")
    if not port.isdigit():
        raise VagrantError(f"ssh-config: the port of {name} is {port!r}")
    return VagrantMachine(
        name=name,
        host=block.get("hostname", name),
        port=int(port),
        user=block.get("user", "vagrant"),
        key=block.get("identityfile"),
    )


def _addresses_in_vagrantfile(path: Path) -> dict[str, str]:
    """Machine -> private address, where the Vagrantfile says it plainly.

    Two conventions are understood: a table ``"name" => "address"``, and ``config.vm.define "name"`` followed by
    ``network "private_network", ip: "address"``. A Vagrantfile is Ruby, so what is computed can't be read.
    """
    try:
        text = decode(read(path))
    except Unreadable:
        return {}
    found: dict[str, str] = {}
    name = None
    for line in text.splitlines():
        code = line.partition("#")[0] if "#{" not in line else line
        for row in _TABLE_ROW.finditer(code):
            found[row["name"]] = row["address"]
        define = _DEFINE.search(code)
        if define:
            name = define["name"]
        network = _PRIVATE_NETWORK.search(code)
        if network and name:
            found.setdefault(name, network["address"])
    return found


def render(machines: list[VagrantMachine], addresses: Mapping[str, str], cluster_name: str) -> str:
    """The inventory's text. Raises VagrantError where something that it needs is not known."""
    missing = [m.name for m in machines if m.name not in addresses and not _is_reachable_by_others(m.host)]
    if missing:
        example = " ".join(f"--address {name}=192.168.56.{11 + index}" for index, name in enumerate(missing))
        raise VagrantError(
            f"the private address of {', '.join(missing)} is not known (Vagrant forwards a port of 127.0.0.1, "
            f"which the other machines can't use): add {example}"
        )
    control = [machine.name for machine in machines if _CONTROL_PLANE.match(machine.name)]
    if not control:
        raise VagrantError("no machine's name begins with cp or control: rename those that run the control plane")
    workers = [machine.name for machine in machines if machine.name not in control]
    # etcd wants an odd number: an even one survives no more failures.
    members = control if len(control) % 2 else control[:-1]
    document = {
        "all": {
            "vars": {"cluster_name": cluster_name, "ansible_become": True},
            "hosts": {machine.name: _host(machine, addresses) for machine in machines},
            "children": {
                "etcd": {"hosts": dict.fromkeys(members)},
                "control_plane": {"hosts": dict.fromkeys(control)},
                "node": {"hosts": dict.fromkeys(workers or control)},
            },
        }
    }
    return _HEADER + yaml.dump(document, Dumper=_Dumper, sort_keys=False)


_HEADER = """\
# Made by `kprov inventory import vagrant`; it is yours to change.
# New machines have new host keys: call kprov with --accept-new-host-keys the first time.
"""


class _Dumper(yaml.SafeDumper):
    """Writes nothing for null, as people do."""


_Dumper.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", ""))


def _host(machine: VagrantMachine, addresses: Mapping[str, str]) -> dict[str, object]:
    host: dict[str, object] = {"ansible_host": machine.host}
    if machine.port != 22:
        host["ansible_port"] = machine.port
    host["ansible_user"] = machine.user
    if machine.key:
        host["ansible_ssh_private_key_file"] = machine.key
    if machine.name in addresses and addresses[machine.name] != machine.host:
        host["node_address"] = addresses[machine.name]
    return host


def _is_reachable_by_others(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not address.is_loopback
