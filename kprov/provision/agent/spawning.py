"""Starting programs without the subprocess module, whose import takes a machine longer than most programs run.

Only for programs that need nothing but arguments, an environment and pipes; subprocess starts the others.
"""

from __future__ import annotations

import errno
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

_LONGEST_PAUSE = 0.05
_PIECE = 1 << 16

# What Python ignores and programs expect to end by: SIGPIPE, SIGXFSZ.
_SIGNALS = (13, 25)

_ready: list[bool] = []


def is_possible() -> bool:
    """Whether this Python and this system can start programs so."""
    if not _ready:
        # What the agent was started with and does not know of is not for programs.
        for name in os.listdir("/proc/self/fd"):
            try:
                if int(name) > 2:
                    os.set_inheritable(int(name), False)
            except OSError:
                pass
        _ready.append(hasattr(os, "posix_spawn"))
    return _ready[0]


def _start(argv: Sequence[str], env: Mapping[str, str], actions: Any) -> int:
    """Start it where the environment's PATH has it.

    Raises:
        OSError: why not, with the program's name.
    """
    places = [argv[0]]
    if "/" not in argv[0]:
        places = [os.path.join(folder, argv[0]) for folder in env.get("PATH", os.defpath).split(":")]
    reason = errno.ENOENT
    for place in places:
        if not os.path.exists(place):  # an attempt costs a process
            continue
        try:
            return os.posix_spawn(place, list(argv), env, file_actions=actions, setsid=True, setsigdef=_SIGNALS)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR) and reason == errno.ENOENT:
                reason = error.errno or reason
    raise OSError(reason, os.strerror(reason), argv[0])


class Program:
    """A running program, with what subprocess.Popen has that the agent uses.

    Args:
        argv: its name and arguments.
        env: its environment.
        reads: whether it gets input; else it reads an end at once.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], reads: bool) -> None:
        self.argv = argv
        self.returncode: int | None = None
        self._input = memoryview(b"")
        self._output: dict[int, list[bytes]] = {}
        theirs: list[int] = []
        mine: list[int] = []
        try:
            for _ in range(2):
                reading, writing = os.pipe()
                mine.append(reading)
                theirs.append(writing)
            actions: list[Any] = [(os.POSIX_SPAWN_DUP2, theirs[0], 1), (os.POSIX_SPAWN_DUP2, theirs[1], 2)]
            if reads:
                reading, writing = os.pipe()
                mine.append(writing)
                theirs.append(reading)
                os.set_blocking(writing, False)
                actions.append((os.POSIX_SPAWN_DUP2, reading, 0))
            else:
                actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
            self.pid = _start(argv, env, actions)
        except BaseException:
            for descriptor in mine:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self._out, self._err = mine[:2]
        self._in = mine[2] if reads else -1
        self._open = set(mine)
        self._output = {self._out: [], self._err: []}

    def communicate(self, stdin: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Give it its input, wait for its end. Returns: what it printed.

        Raises:
            subprocess.TimeoutExpired: it has not ended; it may be asked again.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if stdin:
            self._input = memoryview(stdin)
        poller = select.poll()
        for descriptor in self._open:
            poller.register(descriptor, select.POLLOUT if descriptor == self._in else select.POLLIN | select.POLLHUP)
        while self._open:
            left = self._left(deadline, timeout)
            for descriptor, _ in poller.poll(None if left is None else left * 1000 + 1):
                more = self._feed() if descriptor == self._in else self._take(descriptor)
                if not more:
                    poller.unregister(descriptor)
                    self._close(descriptor)
        self._wait(deadline, timeout)
        return b"".join(self._output[self._out]), b"".join(self._output[self._err])

    def _left(self, deadline: float | None, timeout: float | None) -> float | None:
        if deadline is None:
            return None
        left = deadline - time.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired(list(self.argv), timeout or 0)
        return left

    def _feed(self) -> bool:
        try:
            if self._input:
                self._input = self._input[os.write(self._in, self._input[:_PIECE]) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return len(self._input) > 0

    def _take(self, descriptor: int) -> bool:
        data = os.read(descriptor, _PIECE)
        if data:
            self._output[descriptor].append(data)
        return bool(data)

    def _wait(self, deadline: float | None, timeout: float | None) -> None:
        """For its end: what it printed to may be closed before."""
        pause = 0.0005
        while self.returncode is None:
            pid, status = os.waitpid(self.pid, 0 if deadline is None else os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(min(pause, self._left(deadline, timeout) or pause))
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)

    def forget(self) -> None:
        """Close what is open: it lives on, and nobody listens."""
        for descriptor in list(self._open):
            self._close(descriptor)
        os.waitpid(self.pid, os.WNOHANG)
