"""What every way in gives: a program on the machine, bytes in and bytes out."""

from __future__ import annotations

from typing import Protocol

from kprov.provision.transport.errors import Unreachable


class Pipe(Protocol):
    """A started program: bytes in, bytes out. Local process or SSH channel."""

    errors_total: int
    """Bytes of standard error that were seen so far."""

    def write(self, data: bytes | memoryview, seconds: float) -> None:
        """Send all of it. Raises OSError or EOFError when the program is gone, TimeoutError when it takes too long."""

    def read(self, timeout: float) -> bytes:
        """Some bytes; b"" at the end. Raises TimeoutError, at the latest after about this long."""

    def ready(self) -> bool:
        """Whether read() would return at once."""

    def writable(self) -> bool:
        """Whether a few bytes could be written at once."""

    def errors(self) -> bytes:
        """Standard error so far (its end)."""

    def exit_code(self) -> int | None:
        """The program's exit code once it has ended (waits a moment for it)."""

    def refused(self) -> Unreachable | None:
        """Why the way in did not come about, where that is only known now that the program has ended."""

    def close(self) -> None:
        """End it, within a bounded time."""
