"""A program on a terminal of its own, answered by what it asks."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import subprocess
import termios
import time
from typing import Any

from kprov.provision.agent import identity, processes
from kprov.provision.agent.failures import ConnectionEnded, ModuleFailed

# Programs that ask for a password throw away what was typed before they asked: as pexpect does, they get a moment.
BEFORE_ANSWER = 0.05

# Questions are looked for in so much of what was said last.
LONGEST_QUESTION = 64 * 1024

_PIECE = 2000


class Prompt:
    """A question that a program may ask, and what is answered.

    Args:
        pattern: a regular expression; `.` matches the ends of lines, too.
        answer: one for always, or a list: one for each time.

    Raises:
        ModuleFailed: the pattern is no regular expression.
    """

    def __init__(self, pattern: str, answer: Any) -> None:
        self.pattern = pattern
        try:
            self.compiled = re.compile(pattern.encode(), re.DOTALL)
        except re.error as error:
            raise ModuleFailed("'%s' is no regular expression: %s" % (pattern, error)) from None
        self._answers = [str(each) for each in answer] if isinstance(answer, list) else None
        self._answer = "" if isinstance(answer, list) else str(answer)

    def next(self, before: str) -> bytes:
        """What is answered this time.

        Raises:
            ModuleFailed: nothing is left.
        """
        text = self._answer
        if self._answers is not None:
            if not self._answers:
                raise ModuleFailed("No remaining responses for '%s', output was '%s'" % (self.pattern, before))
            text = self._answers.pop(0)
        return text.rstrip("\n").encode() + b"\n"


class Conversation:
    """Speaks with a program to its end.

    Args:
        command: its arguments.
        prompts: what it may ask, the first that matches at the earliest place is meant.
        seconds: how long it may say nothing that is known; None: for ever.
        echo: what is answered appears in what it says.
        options: as for OnTerminal.
    """

    def __init__(
        self, command: list[str], prompts: list[Prompt], seconds: float | None, echo: bool, **options: Any
    ) -> None:
        self._command, self._prompts, self._seconds, self._echo = command, prompts, seconds, echo
        self._options = options
        self._said = b""
        self._unread = b""

    def run(self) -> tuple[int | None, str]:
        """Have the conversation.

        Returns:
            The program's exit code, None when it said nothing known for too long; and all that it said.
        """
        keyboard, screen = os.openpty()
        try:
            if not self._echo:
                settings = termios.tcgetattr(screen)
                settings[3] &= ~termios.ECHO
                termios.tcsetattr(screen, termios.TCSANOW, settings)
            with OnTerminal(self._command, screen, **self._options) as process:
                os.close(screen)
                screen = -1
                ended = self._talk(keyboard)
                code = process.wait() if ended else None
        finally:
            os.close(keyboard)
            if screen != -1:
                os.close(screen)
        return code, self._said.decode(errors="replace")

    def _talk(self, keyboard: int) -> bool:
        """Until it ends; False when it was waited for too long."""
        deadline = self._deadline()
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            if not select.select([keyboard], [], [], left)[0]:
                continue
            try:
                data = os.read(keyboard, _PIECE)
            except OSError:  # so a terminal says that nobody has it open any more
                return True
            if not data:
                return True
            self._said += data
            self._unread += data
            while self._answer(keyboard):
                deadline = self._deadline()

    def _deadline(self) -> float | None:
        return None if self._seconds is None else time.monotonic() + self._seconds

    def _answer(self, keyboard: int) -> bool:
        """Answer the question that is asked first in what is unread."""
        matches = [(prompt.compiled.search(self._unread), number) for number, prompt in enumerate(self._prompts)]
        found = [(match.start(), number, match.end()) for match, number in matches if match is not None and match[0]]
        if not found:
            self._unread = self._unread[-LONGEST_QUESTION:]
            return False
        _, number, end = min(found)
        before, self._unread = self._unread[:end], self._unread[end:]
        answer = self._prompts[number].next(before.decode(errors="replace"))
        time.sleep(BEFORE_ANSWER)
        os.write(keyboard, answer)
        return True


class OnTerminal:
    """A program on a terminal, while it is spoken with; it is killed at the end where it still runs.

    Args:
        command: its arguments.
        terminal: the terminal's end that is the program's.
        environment: variables on top of the agent's own.
        directory: where it runs.
        user: as whom.

    Raises:
        ModuleFailed: no such program.
        ConnectionEnded: the connection ended meanwhile.
    """

    def __init__(
        self,
        command: list[str],
        terminal: int,
        *,
        environment: dict[str, str] | None = None,
        directory: str | None = None,
        user: str | None = None,
    ) -> None:
        self._command, self._terminal, self._directory = command, terminal, directory
        self._extra: dict[str, Any] = processes.identity_of(user) if user else {}
        self._env = processes.environment_of(environment, user)

    def __enter__(self) -> subprocess.Popen[bytes]:
        if processes.ending():
            raise ConnectionEnded()
        try:
            with identity.itself():
                self._process = subprocess.Popen(
                    self._command,
                    stdin=self._terminal,
                    stdout=self._terminal,
                    stderr=self._terminal,
                    env=self._env,
                    cwd=self._directory,
                    start_new_session=True,
                    preexec_fn=_take_terminal,
                    **self._extra,
                )
        except (FileNotFoundError, PermissionError) as error:
            raise processes.not_started(error, self._command[0], self._directory) from None
        processes.begun(self._process.pid)
        return self._process

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._process.wait()
        processes.over(self._process.pid)
        if processes.ending():
            raise ConnectionEnded()


def _take_terminal() -> None:
    """In the program to be: its standard input is the terminal that it is on."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
