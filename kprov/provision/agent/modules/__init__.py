"""One file a module. Each has PARAMETERS (its specification) and run(call) -> dict.

REQUIRES_ONE_OF and FREE_FORM where it needs them.
"""

from __future__ import annotations

import importlib
import types

# Every module that the agent has: the archive that travels is made from this table.
NAMES = (
    "artifacts",
    "blockinfile",
    "command",
    "copy",
    "deb",
    "file",
    "find",
    "getent",
    "group",
    "hostname",
    "lineinfile",
    "modprobe",
    "openssl_csr",
    "openssl_privatekey",
    "package_facts",
    "ping",
    "service_facts",
    "setup",
    "shell",
    "slurp",
    "stat",
    "sysctl",
    "systemd",
    "unarchive",
    "uri",
    "user",
    "wait_for",
)

# Other names that Ansible's users know them by.
ALIASES = {
    "gather_facts": "setup",
    "get_facts": "setup",
    "service": "systemd",
    "systemd_service": "systemd",
    "openssl_csr_pipe": "openssl_csr",
}

_COLLECTIONS = ("ansible.builtin.", "ansible.legacy.", "ansible.posix.", "community.general.", "community.crypto.")


def own_name(name: str) -> str | None:
    """A module's own name for any name that it is known by, None for no module."""
    for prefix in _COLLECTIONS:
        if name.startswith(prefix):
            name = name[len(prefix) :]
            break
    name = ALIASES.get(name, name)
    return name if name in NAMES else None


def load(name: str) -> types.ModuleType:
    """The code of a module, by its own name."""
    return importlib.import_module(__name__ + "." + name)
