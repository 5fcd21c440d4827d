"""command: run a program, no shell between.

Parameters:
    cmd: the command line (or the task's value itself), split as a shell would; $HOME and the like are filled in.
    argv: the same as a list.
    creates: a path (or a pattern) that makes the command unnecessary when it is there.
    removes: a path (or a pattern) that makes the command unnecessary when it is not there.
    chdir: where it runs.
    stdin: what it reads.
    stdin_add_newline: what it reads ends with a newline.
    strip_empty_ends: empty lines at the end of what it says are left out.
    expand_argument_vars: whether $HOME and the like are filled in.
    timeout: seconds until it is killed (kprov's own).
    let_finish: it is not cut off when the connection ends (kprov's own).

Returns:
    cmd: what was run.
    rc: its exit code.
    stdout: what it said.
    stderr: what it said on standard error.
    stdout_lines: the same as a list.
    stderr_lines: the same as a list.
    start: when it began.
    end: when it ended.
    delta: how long it took.
"""

from __future__ import annotations

import glob
import os
import shlex
from typing import Any

from kprov.provision.agent import moments, processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

FREE_FORM = "cmd"
PARAMETERS = {
    "cmd": Parameter("str", aliases=("_raw_params",)),
    "argv": Parameter("list", elements="str"),
    "creates": Parameter("path"),
    "removes": Parameter("path"),
    "chdir": Parameter("path"),
    "stdin": Parameter("str"),
    "stdin_add_newline": Parameter("bool", default=True),
    "strip_empty_ends": Parameter("bool", default=True),
    "expand_argument_vars": Parameter("bool", default=True),
    "timeout": Parameter("float"),
    "let_finish": Parameter("bool", default=False),
}
REQUIRES_ONE_OF = [("cmd", "argv")]
MUTUALLY_EXCLUSIVE = [("cmd", "argv")]

_NOTHING_SAID = {"rc": 0, "stdout": "", "stderr": ""}


def _is_there(pattern: str) -> bool:
    if any(magic in pattern for magic in "*?["):
        return bool(glob.glob(pattern))
    return os.path.lexists(pattern)


def words_of(text: str) -> list[str]:
    """A command line's words, as a shell would split it.

    Raises:
        ValueError: a quotation has no end.
    """
    if any(special in text for special in "'\"\\") or not text.isascii() or not text.replace("\n", " ").isprintable():
        return shlex.split(text)
    return text.split()


def unnecessary(call: Call) -> dict[str, Any] | None:
    """The result when `creates` or `removes` say that nothing has to be done, or in check mode that it would be."""
    for name, exists in (("creates", True), ("removes", False)):
        path = call[name]
        if path is not None and _is_there(os.path.join(call["chdir"] or "", path)) == exists:
            words = "since '%s' %s" % (path, "exists" if exists else "does not exist")
            return {
                "changed": False,
                "skipped_by": name,
                "msg": "Did not run command " + words,
                **_NOTHING_SAID,
                "stdout": "skipped, " + words,
            }
    if call.check:
        words = "Command would have run if not in check mode"
        if call["creates"] or call["removes"]:
            return {"changed": True, "msg": words, **_NOTHING_SAID}
        return {"changed": False, "skipped": True, "msg": words, **_NOTHING_SAID}
    return None


def outcome(call: Call, completed: processes.Completed, command: Any, began: Any) -> dict[str, Any]:
    """A program's end as a result; `began` is of a class that says what is now, and can be subtracted from it."""
    end = type(began).now()
    stdout, stderr = completed.stdout, completed.stderr
    if call["strip_empty_ends"]:
        stdout, stderr = stdout.rstrip("\r\n"), stderr.rstrip("\r\n")
    result: dict[str, Any] = {
        "changed": True,
        "cmd": command,
        "rc": completed.rc,
        "stdout": stdout,
        "stderr": stderr,
        "start": str(began),
        "end": str(end),
        "delta": str(end - began),
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
    return str(text).encode(errors="surrogateescape")


def run(call: Call) -> dict[str, Any]:
    """Run it."""
    early = unnecessary(call)
    if early is not None:
        return early
    try:
        argv = list(call["argv"]) if call["argv"] is not None else words_of(call["cmd"] or "")
    except ValueError as error:
        raise ModuleFailed("the command cannot be split into words: %s" % error, rc=2) from None
    if not argv:
        raise ModuleFailed("command is empty", rc=256)
    if call["expand_argument_vars"]:
        argv = [os.path.expandvars(os.path.expanduser(word)) for word in argv]
    began = moments.Moment.now()
    completed = processes.run(
        argv,
        stdin=given_input(call),
        environment=call.environment,
        directory=call["chdir"],
        user=call.become_user,
        timeout=call["timeout"],
        protected=call["let_finish"],
    )
    return outcome(call, completed, argv, began)
