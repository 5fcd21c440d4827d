"""What the benchmark looks at on a machine: command lines, files with their modes and owners, configurations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from kprov.provision.engine import Engine
from kprov.provision.inventory import Host
from kprov.provision.verify.cis.catalogue import Row

KUBELET, PROXY = "/var/lib/kubelet/config.yaml", "/var/lib/kube-proxy/config.yaml"
_CONTAINERS = ("systemd-nspawn", "lxc", "container", "docker", "podman")

# Prints one JSON object: of files that hold keys no more than their mode, owner and checksum of certificates.
_SCRIPT = r"""
import glob, grp, hashlib, json, os, pwd, stat, sys
wanted = json.loads(sys.argv[1])
processes = {}
for entry in os.listdir("/proc"):
    if entry.isdigit():
        try:
            with open("/proc/%s/cmdline" % entry, "rb") as stream:
                line = stream.read().decode("utf-8", "replace").rstrip("\0 ")
        except OSError:
            continue
        words = line.split("\0") if "\0" in line else line.split()
        name = os.path.basename(words[0]) if words else ""
        if name in wanted["processes"] and len(words) > len(processes.get(name, ())):
            processes[name] = words
def name_of(table, number):
    try:
        return table(number)[0]
    except KeyError:
        return str(number)
files = {}
for pattern in wanted["files"]:
    for path in sorted(glob.glob(pattern)):
        found = os.stat(path)
        digest = ""
        if path.endswith(".crt"):
            with open(path, "rb") as stream:
                digest = hashlib.sha256(stream.read()).hexdigest()
        files.setdefault(pattern, []).append({
            "path": path,
            "mode": "%04o" % stat.S_IMODE(found.st_mode),
            "owner": name_of(pwd.getpwuid, found.st_uid) + ":" + name_of(grp.getgrgid, found.st_gid),
            "sha256": digest,
        })
texts = {}
for path in wanted["texts"]:
    try:
        with open(path) as stream:
            texts[path] = stream.read()
    except OSError:
        pass
provider = ""
try:
    with open("/etc/kubernetes/encryption-config.yaml") as stream:
        lines = [line for line in stream if not line.startswith("#")]
    provider = next(iter(json.loads("".join(lines))["resources"][0]["providers"][0]))
except (OSError, ValueError, LookupError, StopIteration):
    pass
print(json.dumps({"processes": processes, "files": files, "texts": texts, "provider": provider}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file or a folder."""

    path: str
    mode: str
    owner: str
    """``user:group``."""
    sha256: str = ""
    """Of certificates only."""


@dataclass(slots=True, kw_only=True)
class Machine:
    """What was read on a machine."""

    processes: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[File]] = field(default_factory=dict)
    """By the pattern that was looked for."""
    kubelet: dict[str, Any] | None = None
    proxy: dict[str, Any] | None = None
    provider: str = ""
    """What Secrets are sealed with first."""
    shares_its_kernel: bool = False


def read_machines(engine: Engine, hosts: Sequence[Host], rows: Iterable[Row]) -> dict[str, Machine | str]:
    """Read what the rows ask for, on all machines at once, in one round trip.

    Returns: by machine, what was read, or why it could not be.
    """
    checks = [row.check for row in rows if row.check]
    wanted = {
        "processes": sorted({check["process"] for check in checks if "process" in check}),
        "files": sorted({path for check in checks for path in (*check.get("files", ()), *check.get("differ", ()))}),
        "texts": [KUBELET, PROXY],
    }
    call = {"argv": ["python3", "-I", "-c", _SCRIPT, json.dumps(wanted)], "_check": False, "_quiet": True}
    found: dict[str, Machine | str] = {}
    for name, answer in engine.module_all({host.name: ("command", call) for host in engine.alive(hosts)}).items():
        if answer.failed:
            found[name] = answer.message or "it can't be read"
            continue
        machine = machine_of(json.loads(str(answer["stdout"]).splitlines()[-1]))
        machine.shares_its_kernel = engine.facts.get(name, {}).get("ansible_virtualization_type") in _CONTAINERS
        found[name] = machine
    return found


def machine_of(said: dict[str, Any]) -> Machine:
    """A machine of what the script printed on it."""
    return Machine(
        processes=said["processes"],
        files={pattern: [File(**file) for file in files] for pattern, files in said["files"].items()},
        kubelet=_mapping(said["texts"].get(KUBELET)),
        proxy=_mapping(said["texts"].get(PROXY)),
        provider=said["provider"],
    )


def _mapping(text: str | None) -> dict[str, Any] | None:
    try:
        found = yaml.safe_load(text or "")
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) else None
