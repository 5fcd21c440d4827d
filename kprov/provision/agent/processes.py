"""Programs that the agent starts: none outlives the connection, except those that must not be cut off half-way."""

from __future__ import annotations

import _thread
import fcntl
import grp
import os
import pwd
import signal
import subprocess
import termios
from typing import Any

from kprov.provision.agent import identity, spawning
from kprov.provision.agent.failures import ConnectionEnded, ModuleFailed
from kprov.provision.agent.limits import TimeUp

_lock = _thread.allocate_lock()
_running: dict[int, bool] = {}  # process group -> must be let finish
_ending: list[bool] = []  # holds something once the connection has ended


class Completed:
    """A program's end: its exit code and what it said."""

    __slots__ = ("rc", "stderr", "stdout")

    def __init__(self, rc: int, stdout: str, stderr: str) -> None:
        self.rc = rc
        self.stdout = stdout
        self.stderr = stderr

    def words(self) -> str:
        """What it said, as one text for a message."""
        return (self.stderr.strip() or self.stdout.strip())[-2000:]


def begin_anew() -> None:
    """In a process that was forked from the agent's: nothing that runs is its own, and its connection is nobody's."""
    global _lock
    _lock = _thread.allocate_lock()
    _running.clear()
    _ending.clear()


def ending() -> bool:
    """Whether the connection has ended."""
    return bool(_ending)


def end_all() -> bool:
    """The connection ended: stop what runs.

    Returns:
        Whether something must be let finish (dpkg cut off half-way would leave a broken machine).
    """
    _ending.append(True)
    with _lock:
        groups = dict(_running)
    for group, protected in groups.items():
        if not protected:
            try:
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
    return any(groups.values())


def _kill(process: subprocess.Popen[bytes] | spawning.Program) -> tuple[bytes, bytes]:
    """Kill a program and those that it started. Returns: what they had printed."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    try:
        return process.communicate(timeout=2)
    except (subprocess.TimeoutExpired, ValueError):
        # One that made a session of its own lives on, and holds what it would have printed to.
        if isinstance(process, spawning.Program):
            process.forget()
            return b"", b""
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        return b"", b""


def _identity(user: str) -> dict[str, Any]:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ModuleFailed("there is no user '%s' on this machine to become" % user) from None
    groups = [group.gr_gid for group in grp.getgrall() if user in group.gr_mem]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [*groups, entry.pw_gid]}


def _environment(given: dict[str, str] | None, user: str | None) -> dict[str, str]:
    """A program's environment: the agent's own, with what the task says."""
    env = dict(os.environ)
    env["LC_ALL"] = "C.UTF-8"
    # Without a login, PATH may lack the folders of system programs.
    for folder in ("/usr/local/sbin", "/usr/sbin", "/sbin"):
        if folder not in env.get("PATH", "").split(":"):
            env["PATH"] = (env.get("PATH") or "/usr/bin:/bin") + ":" + folder
    env.update(given or {})
    if user:
        env["HOME"], env["USER"], env["LOGNAME"] = pwd.getpwnam(user).pw_dir, user, user
    return env


def _not_started(error: OSError, program: str, directory: str | None) -> ModuleFailed:
    """Why a program could not be started."""
    if isinstance(error, PermissionError):
        return ModuleFailed("'%s' may not be run by this user" % program)
    missing = str(error.filename or program)
    if directory is not None and missing == directory:
        return ModuleFailed("folder %s does not exist" % directory)
    return ModuleFailed("program '%s' is not on this machine" % missing, rc=127)


def run(
    command: list[str] | str,
    *,
    stdin: bytes | None = None,
    environment: dict[str, str] | None = None,
    directory: str | None = None,
    user: str | None = None,
    timeout: float | None = None,
    protected: bool = False,
    shell: str | None = None,
    umask: int | None = None,
) -> Completed:
    """Run a program to its end.

    Args:
        command: its arguments; a text only with `shell`.
        stdin: what it reads.
        environment: variables on top of the agent's own (LC_ALL is C unless set).
        directory: where it runs.
        user: as whom.
        timeout: seconds until it is killed.
        protected: let it finish when the connection ends.
        shell: the shell that reads `command`.
        umask: of the files that it makes; None: the agent's.

    Raises:
        ModuleFailed: no such program, or it took too long.
        ConnectionEnded: the connection ended meanwhile.
    """
    if ending():
        raise ConnectionEnded()
    extra: dict[str, Any] = _identity(user) if user else {}
    env = _environment(environment, user)
    argv = [shell, "-c", str(command)] if shell else command
    plain = isinstance(argv, list) and not user and directory is None and umask is None and os.geteuid() == os.getuid()
    process: subprocess.Popen[bytes] | spawning.Program
    try:
        if plain and spawning.is_possible():
            process = spawning.Program(argv, env, stdin is not None)
        else:
            with identity.itself():
                process = subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=env,
                    cwd=directory,
                    start_new_session=True,
                    umask=-1 if umask is None else umask,
                    **extra,
                )
    except (FileNotFoundError, PermissionError) as error:
        raise _not_started(error, argv[0] if isinstance(argv, list) else argv, directory) from None
    with _lock:
        _running[process.pid] = protected
    if ending() and not protected:
        end_all()
    try:
        stdout, stderr = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        stdout, stderr = _kill(process)
        raise ModuleFailed(
            "'%s' was still running after %g s and was killed"
            % (argv[0] if isinstance(argv, list) else argv, timeout or 0),
            rc=-9,
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
        ) from None
    except TimeUp:
        _kill(process)
        raise
    finally:
        with _lock:
            _running.pop(process.pid, None)
    if ending():
        raise ConnectionEnded()
    return Completed(process.returncode or 0, stdout.decode(errors="replace"), stderr.decode(errors="replace"))


class on_terminal:
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
        self._extra: dict[str, Any] = _identity(user) if user else {}
        self._env = _environment(environment, user)

    def __enter__(self) -> subprocess.Popen[bytes]:
        if ending():
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
                    preexec_fn=_take_terminal,  # noqa: PLW1509 - it makes one system call
                    **self._extra,
                )
        except (FileNotFoundError, PermissionError) as error:
            raise _not_started(error, self._command[0], self._directory) from None
        with _lock:
            _running[self._process.pid] = False
        return self._process

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._process.wait()
        with _lock:
            _running.pop(self._process.pid, None)
        if ending():
            raise ConnectionEnded()


def _take_terminal() -> None:
    """In the program to be: its standard input is the terminal that it is on."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
