"""Facts as a machine tells them, before anything relies on them: each that kprov reads is of the kind that it must be.

A machine that tells another kind is broken, or lies; it is put aside by name, and nothing stumbles over it later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from kprov.provision.transport.errors import ProtocolBroken

_Check = Callable[[Any], bool]

# A trillion megabytes, or the bytes of an exabyte.
_LARGEST = 1e18


def _of(*kinds: type) -> _Check:
    # A bool is an int to Python, and is none here.
    return lambda value: isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _list(inner: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(inner(each) for each in value)


def _values(inner: _Check) -> _Check:
    return lambda value: isinstance(value, dict) and all(inner(each) for each in value.values())


def _record(**fields: _Check) -> _Check:
    return lambda value: isinstance(value, dict) and all(name in value and fields[name](value[name]) for name in fields)


_TEXT = _of(str)


def _NUMBER(value: Any) -> bool:
    """A number that can be reckoned with: JSON has some that no machine's memory, disk or clock comes to."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST


# Those without which nothing can be done for a machine; the others may be missing.
REQUIRED: Mapping[str, _Check] = {
    "ansible_all_ipv4_addresses": _list(_TEXT),
    "ansible_architecture": _TEXT,
    "ansible_distribution": _TEXT,
    "ansible_distribution_major_version": _TEXT,
    "ansible_hostname": _TEXT,
    "ansible_memtotal_mb": _NUMBER,
    "ansible_mounts": _list(
        _record(mount=_TEXT, device=_TEXT, fstype=_TEXT, options=_TEXT, size_total=_NUMBER, size_available=_NUMBER)
    ),
    "ansible_processor_vcpus": _NUMBER,
    "ansible_service_mgr": _TEXT,
    "kprov_interface_of": _values(_TEXT),
    "kprov_listening_ports": _list(_record(protocol=_TEXT, address=_TEXT, port=_of(int))),
    "kprov_packages": _values(_TEXT),
    "kprov_time": _NUMBER,
}

OPTIONAL: Mapping[str, _Check] = {
    "ansible_all_ipv6_addresses": _list(_TEXT),
    "ansible_date_time": _values(_TEXT),
    "ansible_default_ipv4": _of(dict),
    "ansible_interfaces": _list(_TEXT),
    "ansible_kernel": _TEXT,
    "ansible_machine_id": _of(str, type(None)),
    "ansible_os_family": _TEXT,
    "ansible_python_version": _TEXT,
    "kprov_cgroup_version": _NUMBER,
    "kprov_dpkg_architecture": _of(str, type(None)),
    "kprov_kernel_modules": _list(_TEXT),
    "kprov_release": _of(str, type(None)),
}

# Only these: a fact beats what the inventory says, so one called "groups" would pass for the inventory's own.
# An interface's fact has its name, dots (of VLANs) included.
_NAME = re.compile(r"(ansible|kprov)_[\w.]+")


def checked(host: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """The facts in a result of `setup`.

    Raises:
        ProtocolBroken: they are not what the agent tells.
    """
    facts = result.get("ansible_facts")
    if not isinstance(facts, dict):
        raise _broken(host, "no facts")
    for name, check in REQUIRED.items():
        if name not in facts:
            raise _broken(host, f"facts without {name}")
        if not check(facts[name]):
            raise _broken(host, f"{str(facts[name])[:60]!r} as {name}")
    for name, value in facts.items():
        if not _NAME.fullmatch(name):
            raise _broken(host, f"a fact called {name[:60]!r}")
        if name in OPTIONAL and not OPTIONAL[name](value):
            raise _broken(host, f"{str(value)[:60]!r} as {name}")
    return facts


def _broken(host: str, what: str) -> ProtocolBroken:
    return ProtocolBroken(
        f"{host} told {what} when its facts were gathered: what answers there is not kprov's agent, or its python3 is "
        f"broken. See what runs there as python3, and whether the machine was tampered with"
    )
