"""mount_facts: what is mounted, and what is to be, as facts.

They are ansible_facts.mount_points (by place, the first that a source names) and, where it is asked for,
ansible_facts.aggregate_mounts (all).

Parameters:
    devices: only of these devices (patterns as a shell has them).
    fstypes: only these file systems (patterns).
    sources: where to look: all, dynamic (/etc/mtab, /proc/mounts), static (/etc/fstab), a file, or mount: the program.
    mount_binary: the program that lists mounts where no dynamic source does; null: none.
    timeout: seconds that a file system has to say its size; none: for ever.
    on_timeout: what a file system that does not answer in time is: error, or nothing but a mount without a size.
    include_aggregate_mounts: tell of places that are mounted over, too.

Returns:
    ansible_facts: mount_points and aggregate_mounts.
"""

from __future__ import annotations

import _thread
import fnmatch
import os
import re
from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "devices": Parameter("list", elements="str"),
    "fstypes": Parameter("list", elements="str"),
    "sources": Parameter("list", elements="str"),
    "mount_binary": Parameter("any", default="mount", nullable=True),
    "timeout": Parameter("float"),
    "on_timeout": Parameter("str", default="error", choices=("error", "ignore", "warn")),
    "include_aggregate_mounts": Parameter("bool"),
}

DYNAMIC = ("/etc/mtab", "/proc/mounts")
STATIC = ("/etc/fstab",)

_SAID = re.compile(r"^(?P<device>\S+) on (?P<mount>\S+) type (?P<fstype>\S+) \((?P<options>.+)\)$")
_ESCAPED = re.compile(r"\\([0-7]{3})")

Mounted = dict[str, Any]


def _plain(field: str) -> str:
    """A field of fstab, whose spaces and the like are written as octal numbers."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)


def rows(text: str) -> list[tuple[str, Mounted]]:
    """The rows of a file like fstab; none where it is no such file."""
    found: list[tuple[str, Mounted]] = []
    for line in text.splitlines():
        if not line.strip() or line.strip().startswith("#"):
            continue
        fields = [_plain(field) for field in line.split()]
        if len(fields) < 4:
            return []
        mounted: Mounted = dict(zip(("device", "mount", "fstype", "options"), fields))
        for name, value in zip(("dump", "passno"), fields[4:6]):
            if not value.isdigit():
                return []
            mounted[name] = int(value)
        found.append((line.strip(), mounted))
    return found


def _of_program(call: Call) -> list[tuple[str, Mounted]]:
    text = call.run([str(call["mount_binary"])], timeout=call["timeout"]).stdout
    matches = [(line, _SAID.match(line)) for line in text.splitlines()]
    return [(line, match.groupdict()) for line, match in matches if match is not None]


def _of_file(call: Call, path: str) -> list[tuple[str, Mounted]]:
    try:
        with open(call.system_path(path), encoding="utf-8", errors="replace") as stream:
            return rows(stream.read())
    except OSError:
        return []


def _by_source(call: Call) -> list[tuple[str, str, Mounted]]:
    """Everything that the sources name: the source, its line, what it says."""
    sources: list[str] = []
    for source in call["sources"] or ["all"]:
        if not source:
            raise ModuleFailed("sources contains an empty string")
        named = [*(DYNAMIC if source in ("all", "dynamic") else ()), *(STATIC if source in ("all", "static") else ())]
        sources += named or [source]
    found: list[tuple[str, str, Mounted]] = []
    seen: set[str] = set()
    asks_program = bool(call["mount_binary"]) and any(source in DYNAMIC for source in sources)
    for source in sources:
        real = source if source == "mount" else os.path.realpath(call.system_path(source))
        if real in seen:
            continue
        seen.add(real)
        named_here = _of_program(call) if source == "mount" else _of_file(call, source)
        if named_here and (source == "mount" or source in DYNAMIC):
            asks_program = False
        found += [(source, line, mounted) for line, mounted in named_here]
    if asks_program:
        found += [("mount", line, mounted) for line, mounted in _of_program(call)]
    return found


class Devices:
    """Devices and the numbers of the file systems on them."""

    def __init__(self, call: Call) -> None:
        self._folder = call.system_path("/dev/disk/by-uuid")
        self._numbers: dict[str, str] = {}
        try:
            names = os.listdir(self._folder)
        except OSError:
            names = []
        for name in names:
            self._numbers[os.path.realpath(os.path.join(self._folder, name))] = name

    def number_of(self, device: str) -> str | None:
        """The UUID of what a device holds."""
        return self._numbers.get(device)

    def holding(self, number: str) -> str | None:
        """The device that holds the file system of a UUID."""
        return next((device for device, name in self._numbers.items() if name == number), None)


def sizes(path: str) -> Mounted:
    """How large a file system is, and how full."""
    try:
        status = os.statvfs(path)
    except OSError:
        return {}
    return {
        "size_total": status.f_frsize * status.f_blocks,
        "size_available": status.f_frsize * status.f_bavail,
        "block_size": status.f_bsize,
        "block_total": status.f_blocks,
        "block_available": status.f_bavail,
        "block_used": status.f_blocks - status.f_bavail,
        "inode_total": status.f_files,
        "inode_available": status.f_favail,
        "inode_used": status.f_files - status.f_favail,
    }


def _sizes_in_time(call: Call, path: str) -> Mounted:
    """The same, of a file system that may not answer: it is asked beside the work, and left to itself."""
    if call["timeout"] is None:
        return sizes(path)
    answers: list[Mounted] = []
    asking = _thread.allocate_lock()
    asking.acquire()

    def ask() -> None:
        answers.append(sizes(path))
        asking.release()

    _thread.start_new_thread(ask, ())
    if asking.acquire(timeout=call["timeout"]):
        return answers[0]
    if call["on_timeout"] == "error":
        raise ModuleFailed("Timed out getting mount size for mount %s" % path)
    return {}


def _is_wanted(value: str, patterns: list[str] | None) -> bool:
    return not patterns or any(fnmatch.fnmatch(value, pattern) for pattern in patterns)


def run(call: Call) -> dict[str, Any]:
    """Read them."""
    if call["timeout"] is not None and call["timeout"] <= 0:
        raise ModuleFailed("argument 'timeout' must be a positive number or null, not %g" % call["timeout"])
    if call["mount_binary"] is not None and not isinstance(call["mount_binary"], str):
        raise ModuleFailed("argument 'mount_binary' must be a string or null, not %s" % call["mount_binary"])
    devices = Devices(call)
    everything: list[Mounted] = []
    for source, line, mounted in _by_source(call):
        number = mounted["device"].partition("=")[2] if mounted["device"].startswith("UUID=") else None
        device = (devices.holding(number) if number else None) or mounted["device"]
        if not _is_wanted(device, call["devices"]) or not _is_wanted(mounted["fstype"], call["fstypes"]):
            continue
        everything.append(
            {
                **mounted,
                **_sizes_in_time(call, mounted["mount"]),
                "ansible_context": {"source": source, "source_data": line},
                "uuid": number or devices.number_of(device),
            }
        )
    points: dict[str, Mounted] = {}
    for mounted in everything:
        points.setdefault(mounted["mount"], mounted)
    aggregate = everything if call["include_aggregate_mounts"] else []
    return {"changed": False, "ansible_facts": {"mount_points": points, "aggregate_mounts": aggregate}}
