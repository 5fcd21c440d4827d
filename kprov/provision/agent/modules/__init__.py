"""One file a module. Each has PARAMETERS (its specification) and run(call) -> dict.

Where it needs them: what `rules` knows of, FREE_FORM (the parameter that a task's bare text stands for), ALIASES (other
names that Ansible's users know it by). Its docstring is its manual: a title, a line a parameter below `Parameters:`, a
line a value below `Returns:`.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from typing import Any, Callable

from kprov.provision.agent import parameters, rules
from kprov.provision.agent.attributes import describe
from kprov.provision.agent.call import Call

# Every module that the agent has: the archive that travels is made from this table.
NAMES = (
    "alternatives",
    "apt",
    "apt_key",
    "apt_repository",
    "artifacts",
    "assemble",
    "async_status",
    "authorized_key",
    "baseline",
    "blockinfile",
    "command",
    "copy",
    "cron",
    "deb",
    "deb822_repository",
    "debconf",
    "dpkg_selections",
    "expect",
    "file",
    "find",
    "get_url",
    "getent",
    "git",
    "group",
    "hostname",
    "ini_file",
    "iptables",
    "known_hosts",
    "lineinfile",
    "locale_gen",
    "modprobe",
    "mount",
    "mount_facts",
    "old_releases",
    "openssh_keypair",
    "openssl_csr",
    "openssl_dhparam",
    "openssl_privatekey",
    "package",
    "package_facts",
    "pam_limits",
    "pamd",
    "ping",
    "pip",
    "pod_leftovers",
    "raw",
    "replace",
    "script",
    "service",
    "service_facts",
    "setup",
    "shell",
    "slurp",
    "stat",
    "subversion",
    "sysctl",
    "systemd",
    "sysvinit",
    "tempfile",
    "timezone",
    "unarchive",
    "uri",
    "user",
    "wait_for",
)

# Other names that Ansible's users know them by.
ALIASES = {
    "gather_facts": "setup",
    "get_facts": "setup",
    "systemd_service": "systemd",
    "openssl_csr_pipe": "openssl_csr",
}

COLLECTIONS = ("ansible.builtin.", "ansible.legacy.", "ansible.posix.", "community.general.", "community.crypto.")


_NAMES = frozenset(NAMES)
_parameters: dict[str, dict[str, str]] = {}  # module -> its parameters' own names, by each that they have


def own_name(name: str) -> str | None:
    """A module's own name for any name that it is known by, None for no module."""
    if name in _NAMES:
        return name
    for prefix in COLLECTIONS:
        if name.startswith(prefix):
            name = name[len(prefix) :]
            break
    name = ALIASES.get(name, name)
    return name if name in _NAMES else None


def load(name: str) -> types.ModuleType:
    """The code of a module, by its own name."""
    path = __name__ + "." + name
    __import__(path)
    return sys.modules[path]


def arguments_of(
    name: str, given: Mapping[str, Any], *, open_value: Callable[[Any], bool] | None = None
) -> dict[str, Any]:
    """Check a module's arguments and give every parameter its value.

    Args:
        name: the module's own name.
        given: the arguments as written.
        open_value: says that a value is not known yet (a template): it is not checked.

    Raises:
        WrongArguments: with everything that is wrong, each to follow the module's name.
    """
    module = load(name)
    names = _parameters.get(name)
    if names is None:
        names = _parameters[name] = parameters.names_of(module.PARAMETERS)
    own, problems = parameters.resolve_names(module.PARAMETERS, given, names)
    coerced, wrong = parameters.values(module.PARAMETERS, own, open_value)
    problems += wrong + rules.broken(module, own, coerced, open_value)
    if problems:
        raise parameters.WrongArguments(problems)
    return coerced


def execute(name: str, call: Call) -> dict[str, Any]:
    """Run a module, and complete its result by what every one gives back."""
    result: dict[str, Any] = load(name).run(call)
    result.setdefault("changed", False)
    path = result.get("path", result.get("dest"))
    if isinstance(path, str):
        result.update({key: value for key, value in describe(path).items() if key not in result})
    return result
