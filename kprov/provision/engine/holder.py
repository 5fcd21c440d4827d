"""Who holds a lock: what a run says about itself, and how that is told to whoever comes second."""

from __future__ import annotations

import os
import pwd
import socket
import time
from collections.abc import Mapping
from typing import Any

# Seconds of Unix time: what a calendar has.
_LATEST = 1e11


def this_user() -> str:
    """The person who runs kprov, and where: user@host."""
    user = os.environ.get("SUDO_USER") or os.environ.get("USER")
    if not user:
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def this_run(run_id: str, command_line: str) -> dict[str, Any]:
    """What this process says about itself in the locks that it takes."""
    return {"who": this_user(), "run": run_id, "command": command_line, "controller_pid": os.getpid()}


def has_died(holder: Mapping[str, Any]) -> bool:
    """Whether a holder was a process of this computer that is no more.

    For moments its locks may outlive it: a child that it was just starting has them until it is another program.
    """
    who, pid = str(holder.get("who", "")), holder.get("controller_pid")
    if who.rpartition("@")[2] != socket.gethostname() or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def run_of(holder: Mapping[str, Any]) -> str:
    """A holder's command and run."""
    return f"{holder.get('command', 'kprov')}, run {holder.get('run', '?')}"


def held_by(holder: Mapping[str, Any]) -> str:
    """Who holds a lock, since when, and what to do; a holder that could not be read is "another run"."""
    who, pid, since = holder.get("who", "another run"), holder.get("controller_pid"), holder.get("since")
    process = f", process {pid}" if pid else ""
    when = ""
    # A machine says it, too: any number may stand there.
    if isinstance(since, (int, float)) and not isinstance(since, bool) and 0 < since < _LATEST:
        when = time.strftime(" since %Y-%m-%d %H:%M:%S", time.localtime(since))
    return f"locked by {who} ({run_of(holder)}{process}){when}: wait for it to end, or end it"
