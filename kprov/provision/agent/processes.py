"""Programs that the agent starts: none outlives the connection, except those that must not be cut off half-way."""

from __future__ import annotations

import _thread
import grp
import os
import pwd
import signal
import subprocess
from typing import Any

from kprov.provision.agent import identity, spawning
from kprov.provision.agent.failures import ConnectionEnded, ModuleFailed
from kprov.provision.agent.limits import TimeUp

_lock = _thread.allocate_lock()
_running: dict[int, bool] = {}  # process group -> must be let finish
_ended: list[bool] = []  # holds something once the connection has ended


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


def ending() -> bool:
    """Whether the connection has ended."""
    return bool(_ended)


def end_all() -> bool:
    """The connection ended: stop what runs.

    Returns:
        Whether something must be let finish (dpkg cut off half-way would leave a broken machine).
    """
    _ended.append(True)
    with _lock:
        groups = dict(_running)
    for group, protected in groups.items():
        if not protected:
            try:
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
    return any(groups.values())


def begun(group: int, protected: bool = False) -> None:
    """A program runs, in a group of its own; it is stopped at once where the connection ended while it was started.

    Args:
        group: its process group.
        protected: let it finish when the connection ends.
    """
    with _lock:
        _running[group] = protected
    if ending() and not protected:
        end_all()


def over(group: int) -> None:
    """A program has ended."""
    with _lock:
        _running.pop(group, None)


def forget_all() -> None:
    """In a process that goes on by itself: what the agent runs is not its own, nor is the end of the connection."""
    global _lock
    _lock = _thread.allocate_lock()  # another thread of the agent may have held it
    _running.clear()
    _ended.clear()


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


def identity_of(user: str) -> dict[str, Any]:
    """What makes a program a user's: arguments of Popen.

    Raises:
        ModuleFailed: there is no such user.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ModuleFailed("there is no user '%s' on this machine to become" % user) from None
    groups = [group.gr_gid for group in grp.getgrall() if user in group.gr_mem]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [*groups, entry.pw_gid]}


def environment_of(given: dict[str, str] | None, user: str | None) -> dict[str, str]:
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


def not_started(error: OSError, program: str, directory: str | None) -> ModuleFailed:
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
    extra: dict[str, Any] = identity_of(user) if user else {}
    env = environment_of(environment, user)
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
        raise not_started(error, argv[0] if isinstance(argv, list) else argv, directory) from None
    begun(process.pid, protected)
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
        over(process.pid)
    if ending():
        raise ConnectionEnded()
    return Completed(process.returncode or 0, stdout.decode(errors="replace"), stderr.decode(errors="replace"))
