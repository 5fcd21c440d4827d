"""Load from wrk, which costs a fraction of what any of the servers does, and from openssl for handshakes."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apiservers.servers import Server

_SCRIPT = Path(__file__).with_name("requests.lua")
_LONGEST = 60.0
_runs = itertools.count()


@dataclass(frozen=True)
class Figures:
    """What one load came to. ``cpu_ms`` is the server's CPU time a request, ``p50`` and ``p99`` are milliseconds."""

    per_second: float
    p50: float
    p99: float
    cpu_ms: float


@dataclass(frozen=True)
class Load:
    """One kind of request.

    ``paths`` are taken in turn; in ``body``, NAME stands for a path's last part and UNIQUE for what no request had.
    With ``once`` each path is used once, and the load ends with them.
    """

    method: str
    paths: Sequence[str]
    body: str = ""
    content_type: str = "application/json"
    once: bool = False
    accept: str = "application/json"


def command(server: Server, load: Load, parallel: int, seconds: float, folder: Path) -> list[str]:
    """wrk's command line."""
    threads, run = min(parallel, 2), next(_runs)
    paths, body = folder / f"paths-{run}", folder / f"body-{run}"
    paths.write_text("".join(f"{path}\n" for path in load.paths))
    body.write_text(load.body)
    return [
        *("wrk", f"-t{threads}", f"-c{parallel}", f"-d{max(1, round(seconds))}s", "--timeout=60s", f"-s{_SCRIPT}"),
        *(server.url, "--", load.method, str(paths), str(body) if load.body else "-", load.content_type),
        *("once" if load.once else "cycle", str(threads), server.token, f"r{run}", load.accept),
    ]


def measure(server: Server, load: Load, parallel: int, seconds: float, folder: Path) -> Figures:
    """Run a load. Raises RuntimeError where the server did not answer everything with success."""
    before = server.cpu()
    done = subprocess.run(command(server, load, parallel, seconds, folder), capture_output=True, text=True)
    cpu = server.cpu() - before
    found = re.search(r"^FIGURES (.*)$", done.stdout, re.MULTILINE)
    what = f"{server.name}: {load.method} {load.paths[0]}, {parallel} in parallel"
    if done.returncode or found is None:
        raise RuntimeError(f"{what}: wrk failed:\n{done.stdout}{done.stderr}")
    said = json.loads(found[1])
    if not said["requests"] and not said["refused"] and not said["broken"] and seconds < _LONGEST:
        return measure(server, load, parallel, min(_LONGEST, seconds * 4), folder)  # each takes longer than all of it
    if said["refused"] or said["broken"] or not said["requests"]:
        raise RuntimeError(f"{what}: not all were answered well: {said}")
    return Figures(said["requests"] / said["seconds"], said["p50"], said["p99"], cpu * 1000 / said["requests"])


def handshakes(server: Server, seconds: float) -> float:
    """Full TLS handshakes a second, one client after the other."""
    line = ["openssl", "s_time", "-connect", f"127.0.0.1:{server.port}", "-new", f"-time={max(1, round(seconds))}"]
    done = subprocess.run([word for part in line for word in part.split("=")], capture_output=True, text=True)
    found = re.search(r"(\d+) connections in (\d+) real seconds", done.stdout)
    if found is None:
        raise RuntimeError(f"{server.name}: openssl s_time failed:\n{done.stdout}{done.stderr}")
    return int(found[1]) / max(1, int(found[2]))
