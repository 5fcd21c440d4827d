"""Why no agent starts on a machine that let us in: from what it said, what a person can do about it."""

from __future__ import annotations

from kprov.provision.transport.bootstrap import SUDO_PROMPT, Greeting
from kprov.provision.transport.errors import ConnectionLost, PythonMissing, SudoRefused, Unreachable
from kprov.provision.transport.pipe import Pipe
from kprov.provision.transport.target import Target

OLDEST_PYTHON = (3, 9)


def reason(target: Target, pipe: Pipe, printed: bytes) -> Unreachable:
    """What the machine said instead of the agent's greeting, in terms of what to do.

    Args:
        target: the machine.
        pipe: the program that was started there, which has ended.
        printed: what it wrote to standard output.
    """
    refused = pipe.refused()
    if refused is not None:
        return refused
    code = pipe.exit_code()
    words = pipe.errors().decode(errors="replace").replace(SUDO_PROMPT, "").strip()
    low = words.lower()
    python_named = target.python.lower() in low
    if code == 1 and b"account is currently not available" in printed:
        return PythonMissing(
            f"the login shell of {target.user} on {target.name} does not run commands: give it one "
            f"(chsh -s /bin/sh {target.user}) or connect as another user"
        )
    if "password is required" in low or "a terminal is required" in low:
        return SudoRefused(
            f"sudo on {target.name} asks {target.user} for a password: set ansible_become_password or allow "
            f"{target.user} NOPASSWD"
        )
    if "not in the sudoers" in low or "not allowed to execute" in low or "may not run sudo" in low:
        return SudoRefused(f"{target.user} may not use sudo on {target.name}: add it to sudoers or connect as root")
    if "incorrect password" in low or "sorry, try again" in low:
        return password_refused(target)
    if ("sudo" in low and not python_named) and ("not found" in low or code == 127):
        return SudoRefused(
            f"there is no sudo on {target.name} and {target.user} is not root: install sudo or connect as root"
        )
    if code == 127 or "not found" in low or "no such file" in low:
        return PythonMissing(
            f"there is no {target.python} on {target.name}: install it (Debian: apt-get install python3) "
            "or say where it is by ansible_python_interpreter"
        )
    tail = (words or printed.decode(errors="replace").strip())[-300:] or "nothing"
    if code is None:  # no program has ended: the connection has
        return ConnectionLost(
            f"the connection to {target.name} ended before the agent had started: the machine, its network or its "
            f"sshd is gone, or it took longer than {target.login_timeout:g} s (timeout login); it said: {tail}"
        )
    return ConnectionLost(f"the agent did not start on {target.name} (exit code {code}); the machine said: {tail}")


def password_refused(target: Target) -> SudoRefused:
    """sudo asked again."""
    return SudoRefused(f"sudo refused the password of {target.user}: correct ansible_become_password")


def check(target: Target, greeting: Greeting) -> None:
    """See whether the Python that greeted will do, and the user that it runs as.

    Raises:
        PythonMissing: it is too old.
        SudoRefused: it is not root's, and root is needed.
    """
    if greeting.version < OLDEST_PYTHON:
        version = ".".join(map(str, greeting.version))
        raise PythonMissing(
            f"{target.python} is Python {version}; 3.9 or newer is needed: install it or name another by "
            f"ansible_python_interpreter"
        )
    as_it_is = target.local or target.unprivileged
    if greeting.uid != 0 and not target.become and not as_it_is:
        raise SudoRefused(
            f"{target.user} is not root on {target.name}, and kprov needs root there: set "
            f"ansible_become: true, or connect as root"
        )
