"""A connection to the machine that the controller runs on (ansible_connection: local)."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time

from kprov.provision.transport import bootstrap
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.link import AgentLink, open_link
from kprov.provision.transport.target import Target


class LocalPipe:
    """A child process as a pipe.

    Args:
        argv: what to run.
        environment: its variables; None: the controller's.
    """

    def __init__(self, argv: list[str], environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=environment,
        )
        assert self.process.stdin is not None and self.process.stdout is not None and self.process.stderr is not None
        self._in = self.process.stdin.fileno()
        self._out = self.process.stdout.fileno()
        self._err = self.process.stderr.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._err, False)
        self._errors = b""
        self.errors_total = 0

    def write(self, data: bytes | memoryview, seconds: float) -> None:
        """Send all of it."""
        deadline = time.monotonic() + seconds
        view = memoryview(data)
        while view:
            if not select.select([], [self._in], [], max(0.0, deadline - time.monotonic()))[1]:
                raise TimeoutError
            with contextlib.suppress(BlockingIOError):
                view = view[os.write(self._in, view) :]

    def read(self, timeout: float) -> bytes:
        """Some bytes; b"" at the end."""
        deadline = time.monotonic() + timeout
        watched = [self._out, self._err]
        while True:
            readable, _, _ = select.select(watched, [], [], max(0.0, deadline - time.monotonic()))
            if self._out in readable:
                return os.read(self._out, 1 << 16)
            if readable:  # errors that nobody reads would stop it
                seen = self.errors_total
                self.errors()
                if self.errors_total == seen:  # there are no more
                    watched = [self._out]
            if time.monotonic() >= deadline:
                raise TimeoutError

    def ready(self) -> bool:
        """Whether read() would return at once."""
        return bool(select.select([self._out], [], [], 0)[0])

    def writable(self) -> bool:
        """Whether a few bytes could be written at once."""
        return bool(select.select([], [self._in], [], 0)[1])

    def errors(self) -> bytes:
        """Standard error's end."""
        for _ in range(64):  # who writes without end must not keep us here
            try:
                data = os.read(self._err, 1 << 16)
            except OSError:  # nothing there now, or closed
                break
            if not data:
                break
            self.errors_total += len(data)
            self._errors = (self._errors + data)[-8192:]
        return self._errors

    def exit_code(self) -> int | None:
        """The exit code, after a moment's wait for the end."""
        try:
            return self.process.wait(2)
        except subprocess.TimeoutExpired:
            return None

    def refused(self) -> Unreachable | None:
        """Nothing but the program itself could keep it from starting."""
        return None

    def close(self) -> None:
        """Close its input, which ends the agent, and wait for it."""
        process = self.process
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        if process.stdout.closed:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()
        # Nobody listens any longer. The numbers stay taken until the end: another thread may be reading.
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number in (self._out, self._err):
            os.dup2(nothing, number)
        os.close(nothing)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        process.stdout.close()
        process.stderr.close()


def connect(target: Target, *, greet: bool = True) -> AgentLink:
    """Start an agent beside the controller, as root only where the controller may become it.

    Args:
        target: this machine.
        greet: wait until the agent has started; else the first request does.

    Raises:
        Unreachable: why it did not start.
    """
    # Through a shell, as over SSH: it says the same where a program is missing.
    return open_link(target, LocalPipe(["/bin/sh", "-c", bootstrap.command(target)]), greet=greet)
