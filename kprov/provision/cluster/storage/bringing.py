"""Brings a file of a machine to the controller: in parts that fit in memory, verified, and whole or not there.

Only root may read the file while it is on its way, on either side.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

from kprov.provision import atomic
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine import Engine
from kprov.provision.inventory import Host

_PART = 8 << 20


def bring(engine: Engine, host: Host, source: str, target: Path) -> str:
    """Bring a file, mode 0600.

    Args:
        engine: connected to the host.
        host: where the file is.
        source: the file there; parts of it are laid beside it for the time.
        target: the controller's.

    Returns: its SHA-256, which is the same on both sides.

    Raises:
        ClusterError: it can't be read, or is not the same here and there; `target` is then as it was.
    """
    summed = engine.module(host, "command", argv=["sha256sum", source], _check=False, _quiet=True).raise_if_failed()
    wanted = str(summed["stdout"]).split()[0]
    size = int(engine.module(host, "stat", path=source, _quiet=True).raise_if_failed()["stat"]["size"])
    digest = hashlib.sha256()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic.replacing(target, mode=atomic.PRIVATE) as stream:
        for part in _parts(engine, host, source, size):
            digest.update(part)
            stream.write(part)
        if digest.hexdigest() != wanted:
            raise ClusterError(f"{host.name}: {source} changed while it was brought here; try again")
    return wanted


def _parts(engine: Engine, host: Host, source: str, size: int) -> Iterator[bytes]:
    if size <= _PART:
        yield _read(engine, host, source)
        return
    script = f'umask 077; rm -f "$0".part.*; split -b {_PART} -d -a 6 "$0" "$0".part.'
    engine.module(
        host, "command", argv=["sh", "-c", script, source], _title=f"Split {source}", _quiet=True
    ).raise_if_failed()
    for number in range(-(-size // _PART)):
        part = f"{source}.part.{number:06d}"
        yield _read(engine, host, part)
        engine.module(host, "file", path=part, state="absent", _quiet=True)


def _read(engine: Engine, host: Host, path: str) -> bytes:
    result = engine.module(host, "slurp", src=path, _quiet=True, _no_log=True).raise_if_failed()
    return base64.b64decode(result["content"])
