"""expect: run a program on a terminal, and answer what it asks.

Where Ansible's module needs Python's pexpect on the machine, this one needs nothing there.

Parameters:
    command: the command line, split as a shell would; no shell between.
    responses: what is answered: a mapping of regular expressions to answers. A list is one answer for each time that it
        asks; when it asks once more, that is a failure.
    chdir: where it runs.
    creates: a path that makes the command unnecessary when it is there.
    removes: a path that makes the command unnecessary when it is not there.
    timeout: seconds that it may say nothing known; null: for ever.
    echo: what is answered appears in stdout.

Returns:
    cmd: what was run.
    rc: its exit code.
    stdout: what it said.
    start: when it began.
    end: when it ended.
    delta: how long it took.
"""

from __future__ import annotations

import os
import shlex
from typing import Any

from kprov.provision.agent import moments
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter
from kprov.provision.agent.terminal import Conversation, Prompt

PARAMETERS = {
    "command": Parameter("str", required=True),
    "responses": Parameter("dict", required=True, secret=True),
    "chdir": Parameter("path"),
    "creates": Parameter("path"),
    "removes": Parameter("path"),
    "timeout": Parameter("any", default=30, nullable=True),
    "echo": Parameter("bool", default=False),
}


def _seconds(call: Call) -> float | None:
    value = call["timeout"]
    if value is None or str(value).lower() in ("null", "none"):
        return None
    try:
        return float(int(str(value)))
    except ValueError:
        raise ModuleFailed("'timeout' must be a whole number of seconds or null, not %r" % (value,)) from None


def _unnecessary(call: Call) -> str:
    """Why nothing has to be done; "" when it has."""
    for name, exists in (("creates", True), ("removes", False)):
        path = call[name]
        if path is not None and os.path.exists(os.path.join(call["chdir"] or "", path)) == exists:
            return "skipped, since %s %s" % (path, "exists" if exists else "does not exist")
    return ""


def run(call: Call) -> dict[str, Any]:
    """Run it."""
    prompts = [Prompt(str(pattern), answer) for pattern, answer in call["responses"].items()]
    seconds = _seconds(call)
    try:
        words = shlex.split(call["command"])
    except ValueError as error:
        raise ModuleFailed("'%s' cannot be split into words: %s" % (call["command"], error)) from None
    if not words:
        raise ModuleFailed("no command given", rc=256)
    why = _unnecessary(call)
    if why:
        return {"changed": False, "cmd": call["command"], "stdout": why, "rc": 0}
    if call.check:
        return {"changed": False, "skipped": True, "msg": "Command would have run if not in check mode"}
    began = moments.Moment.now()
    conversation = Conversation(
        words, prompts, seconds, call["echo"],
        environment=call.environment, directory=call["chdir"], user=call.become_user,
    )  # fmt: skip
    code, said = conversation.run()
    end = moments.Moment.now()
    result: dict[str, Any] = {
        "changed": True,
        "cmd": call["command"],
        "stdout": said.rstrip("\r\n"),
        "rc": code,
        "start": str(began),
        "end": str(end),
        "delta": str(end - began),
    }
    if code is None:
        raise ModuleFailed("command exceeded timeout: it asked nothing known for %g s" % (seconds or 0), **result)
    if code != 0:
        raise ModuleFailed("non-zero return code", **result)
    return result
