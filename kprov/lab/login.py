"""The command line that logs in to a machine with OpenSSH, its host key pinned."""

from __future__ import annotations

from kprov.lab.disk import host_key
from kprov.lab.errors import LabError
from kprov.lab.layout import Machine
from kprov.lab.state import LabState


def ssh_command(state: LabState, machine: Machine, *, user: str = "root") -> list[str]:
    """An ``ssh`` command line for a machine; what to run there may be appended.

    Args:
        state: the lab's state; a file of pinned host keys is written into it.
        machine: where to log in.
        user: as whom.

    Raises:
        LabError: an interrupted ``up`` did not come as far as making the machine.
    """
    folder = state.machine_folder(machine.name)
    try:
        key = host_key(folder)
    except FileNotFoundError:
        raise LabError(f"{machine.name} has not been made yet; go on with: {state.up_command}") from None
    known = folder / "known_hosts"
    known.write_text(f"{machine.address} {key}\n")
    options = {
        "IdentityFile": state.key,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": known,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "LogLevel": "ERROR",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", *words, f"{user}@{machine.address}"]
