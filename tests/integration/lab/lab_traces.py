"""Everything on the host that a lab could leave behind."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:  # the process has ended meanwhile
        return ""


def network_namespaces() -> set[str]:
    """The network namespaces that some process is in."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(str(path.readlink()))
        except OSError:
            continue
    return found


def traces(name: str) -> dict[str, list[str]]:
    """What is left of the lab of that name, by kind; no entry where nothing is."""
    folder = f"kprov-lab-{name}"
    own = f"/var/lib/kprov/lab-{name}"
    links = json.loads(subprocess.run(["ip", "-json", "link"], check=True, capture_output=True, text=True).stdout)
    tables = subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout
    processes = [
        f"{path.name} {_read(path / 'cmdline')}"
        for path in Path("/proc").glob("[0-9]*")
        # the dead whom init has not yet put away have no memory left
        if _read(path / "statm").split()[:1] not in ([], ["0"])
        and (folder in _read(path / "cgroup") or own in _read(path / "cmdline"))
    ]
    nspawn = [path for path in Path("/run/systemd/nspawn").glob("*/*") if path.name.startswith(f"{name}-")]
    found = {
        "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{folder}")],
        "files": [own] if Path(own).exists() else [],
        "links": [row["ifname"] for row in links if row["ifname"].startswith((f"kp-{name}", f"vb-{name}-"))],
        "mounts": [line for line in _read(Path("/proc/self/mounts")).splitlines() if own in line],
        "nspawn": [str(path) for path in nspawn],
        "processes": processes,
        "tables": [line for line in tables.splitlines() if line.endswith(f"kprov_lab_{name}")],
    }
    return {kind: names for kind, names in found.items() if names}
