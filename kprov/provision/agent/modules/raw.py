"""raw: run a command line through a shell, and whatever it says is the result.

Parameters:
    cmd: the command line (or the task's value itself).
    executable: the shell.

Returns:
    rc: its exit code.
    stdout: what it said.
    stderr: what it said on standard error.
    stdout_lines: the same as a list.
    stderr_lines: the same as a list.
"""

from __future__ import annotations

from typing import Any

from kprov.provision.agent import processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

FREE_FORM = "cmd"
PARAMETERS = {
    "cmd": Parameter("str", required=True, aliases=("_raw_params",)),
    "executable": Parameter("path", default="/bin/sh"),
}


def run(call: Call) -> dict[str, Any]:
    """Run it; nothing in check mode, for nobody knows what it does."""
    if call.check:
        return {"changed": False, "skipped": True, "msg": "raw commands are not run in check mode"}
    completed = processes.run(
        call["cmd"], shell=call["executable"], environment=call.environment, user=call.become_user
    )
    result: dict[str, Any] = {
        "changed": True,
        "rc": completed.rc,
        "stdout": completed.stdout,
        "stderr": completed.stderr,
    }
    if completed.rc != 0:
        result.update(failed=True, msg="exit code %d: %s" % (completed.rc, completed.words()))
    return result
