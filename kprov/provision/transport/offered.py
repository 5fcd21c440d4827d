"""Contents that the controller has at hand for one machine, and the frames that carry them when its agent asks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from kprov.provision.agent import wire
from kprov.provision.transport.inbound import Lie


class Offered:
    """Contents by hash."""

    def __init__(self) -> None:
        self._sources: dict[str, bytes | Path] = {}
        # An agent asks ahead and, when it had to drop what came, once more: more often than that nobody needs it.
        self._left: dict[str, int] = {}

    def offer(self, sha256: str, source: bytes | Path) -> None:
        """Have a content at hand (once for every task that may need it)."""
        self._sources[sha256] = source
        self._left[sha256] = self._left.get(sha256, 0) + 2

    def frames(self, sha256: str) -> Iterator[bytes]:
        """The answer to the agent's wish, in chunks, compressed where that helps.

        Raises:
            Lie: it was not offered, or was asked for too often.
        """
        source = self._sources.get(sha256)
        if source is None:
            raise Lie(f"asked for content {sha256[:12]}…, which was not offered to it")
        if self._left[sha256] <= 0:
            raise Lie(f"asked for content {sha256[:12]}… again and again")
        self._left[sha256] -= 1
        if isinstance(source, bytes):
            return iter([_whole(sha256, source)])
        return _streamed(sha256, source)


def _whole(sha256: str, data: bytes) -> bytes:
    packed = zlib.compress(data, 6)
    small = len(packed) < len(data)
    return wire.encode(
        {"op": "content", "sha256": sha256, "compressed": small, "last": True}, packed if small else data
    )


def _streamed(sha256: str, path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            chunk = stream.read(wire.CHUNK)
            packer = zlib.compressobj(1)
            # Packages and archives are compressed already; the first chunk tells.
            compress = len(zlib.compress(chunk[: 64 * 1024], 1)) < 0.9 * len(chunk[: 64 * 1024])
            while True:
                following = stream.read(wire.CHUNK)
                last = not following
                body = chunk
                if compress:
                    body = packer.compress(chunk) + (packer.flush() if last else packer.flush(zlib.Z_SYNC_FLUSH))
                yield wire.encode({"op": "content", "sha256": sha256, "compressed": compress, "last": last}, body)
                if last:
                    return
                chunk = following
    except OSError as error:
        yield wire.encode({"op": "content", "sha256": sha256, "error": f"{path}: {error.strerror}"})
