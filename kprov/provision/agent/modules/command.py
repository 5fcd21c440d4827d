"""command: run a program, no shell between.

Parameters:
    cmd (or the task's value itself): the command line, split as a shell would. argv: the same as a list.
    creates, removes: a path (glob) that makes the command unnecessary when it exists, or does not exist.
    chdir: where it runs. stdin: what it reads. timeout: seconds until it is killed.
    let_finish: it is not cut off when the connection ends.

Returns:
    rc, stdout, stderr, stdout_lines, stderr_lines, cmd; changed unless it did not have to run.
"""

from __future__ import annotations

import glob
import shlex
import time
from typing import Any

from kprov.provision.agent import processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

FREE_FORM = "cmd"
PARAMETERS = {
    "cmd": Parameter("str"),
    "argv": Parameter("list"),
    "creates": Parameter("path"),
    "removes": Parameter("path"),
    "chdir": Parameter("path"),
    "stdin": Parameter("str"),
    "stdin_add_newline": Parameter("bool", default=True),
    "timeout": Parameter("float"),
    "let_finish": Parameter("bool", default=False),
}
REQUIRES_ONE_OF = [("cmd", "argv")]


def unnecessary(call: Call) -> dict[str, Any] | None:
    """The result when `creates` or `removes` say that nothing has to be done, or in check mode that it would be."""
    for name, exists in (("creates", True), ("removes", False)):
        path = call[name]
        if path is not None and bool(glob.glob(path)) == exists:
            message = "%s %s" % (path, "exists" if exists else "does not exist")
            return {
                "changed": False,
                "skipped_by": name,
                "msg": message,
                "rc": 0,
                "stdout": "",
                "stderr": "",
                "stdout_lines": [],
                "stderr_lines": [],
            }
    if call.check:
        if call["creates"] or call["removes"]:
            return {
                "changed": True,
                "msg": "would run",
                "rc": 0,
                "stdout": "",
                "stderr": "",
                "stdout_lines": [],
                "stderr_lines": [],
            }
        return {"changed": False, "skipped": True, "msg": "commands are not run in check mode"}
    return None


def outcome(completed: processes.Completed, command: Any, seconds: float) -> dict[str, Any]:
    """A program's end as a result."""
    result: dict[str, Any] = {
        "changed": True,
        "cmd": command,
        "rc": completed.rc,
        "stdout": completed.stdout.rstrip("\n"),
        "stderr": completed.stderr.rstrip("\n"),
        "stdout_lines": completed.stdout.splitlines(),
        "stderr_lines": completed.stderr.splitlines(),
        "delta": round(seconds, 3),
    }
    if completed.rc != 0:
        result["failed"] = True
        words = completed.words()
        result["msg"] = "exit code %d%s" % (completed.rc, ": " + words if words else " and no output")
    return result


def given_input(call: Call) -> bytes | None:
    """What the program reads, None for nothing."""
    text = call["stdin"]
    if text is None:
        return None
    if call["stdin_add_newline"] and not text.endswith("\n"):
        text += "\n"
    return str(text).encode()


def run(call: Call) -> dict[str, Any]:
    """Run it."""
    early = unnecessary(call)
    if early is not None:
        return early
    argv = [str(word) for word in call["argv"]] if call["argv"] is not None else shlex.split(call["cmd"] or "")
    if not argv:
        raise ModuleFailed("command is empty")
    started = time.monotonic()
    completed = processes.run(
        argv,
        stdin=given_input(call),
        environment=call.environment,
        directory=call["chdir"],
        user=call.become_user,
        timeout=call["timeout"],
        protected=call["let_finish"],
    )
    return outcome(completed, argv, time.monotonic() - started)
