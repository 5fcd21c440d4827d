"""A connection to the machine that the controller runs on (ansible_connection: local)."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import tempfile

from kprov.provision.transport import bootstrap
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target


class LocalPipe:
    """A child process as a pipe.

    Args:
        argv: what to run.
    """

    def __init__(self, argv: list[str]) -> None:
        # Standard error goes to a file without a name: it never blocks the child, and its end can be read at any time.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._in = self.process.stdin.fileno()
        self._out = self.process.stdout.fileno()

    def write(self, data: bytes) -> None:
        """Send all of it."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._in, view) :]

    def read(self, timeout: float | None) -> bytes:
        """Some bytes; b"" at the end."""
        readable, _, _ = select.select([self._out], [], [], timeout)
        if not readable:
            raise TimeoutError
        return os.read(self._out, 1 << 16)

    def ready(self) -> bool:
        """Whether read() would return at once."""
        return bool(select.select([self._out], [], [], 0)[0])

    def errors(self) -> bytes:
        """Standard error's end."""
        if self._errors.closed:
            return b""
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), 4096, max(0, size - 4096))

    def exit_code(self) -> int | None:
        """The exit code, after a moment's wait for the end."""
        try:
            return self.process.wait(2)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Close its input, which ends the agent, and wait for it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._errors.close()


def connect(target: Target) -> AgentLink:
    """Start an agent beside the controller, as root only where the controller may become it.

    Raises:
        Unreachable: why it did not start.
    """
    # Through a shell, as over SSH: it says the same where a program is missing.
    link = AgentLink(target, LocalPipe(["/bin/sh", "-c", bootstrap.command(target)]))
    try:
        link.start()
    except BaseException:
        link.close()
        raise
    return link
