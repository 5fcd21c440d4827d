"""shell: run a command line through a shell.

Parameters:
    cmd: the command line (or the task's value itself).
    creates: a path (or a pattern) that makes the command unnecessary when it is there.
    removes: a path (or a pattern) that makes the command unnecessary when it is not there.
    chdir: where it runs.
    executable: the shell.
    stdin: what it reads.
    stdin_add_newline: what it reads ends with a newline.
    strip_empty_ends: empty lines at the end of what it says are left out.
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

from typing import Any

from kprov.provision.agent import moments, processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.modules import command
from kprov.provision.agent.parameters import Parameter

FREE_FORM = "cmd"
_NOT_THE_SHELLS = ("argv", "cmd", "expand_argument_vars")
PARAMETERS = {
    "cmd": Parameter("str", required=True, aliases=("_raw_params",)),
    "executable": Parameter("path", default="/bin/sh"),
    **{name: parameter for name, parameter in command.PARAMETERS.items() if name not in _NOT_THE_SHELLS},
}


def run(call: Call) -> dict[str, Any]:
    """Run it."""
    early = command.unnecessary(call)
    if early is not None:
        return early
    if not call["cmd"].strip():
        raise ModuleFailed("command is empty", rc=256)
    began = moments.Moment.now()
    completed = processes.run(
        call["cmd"],
        shell=call["executable"],
        stdin=command.given_input(call),
        environment=call.environment,
        directory=call["chdir"],
        user=call.become_user,
        timeout=call["timeout"],
        protected=call["let_finish"],
    )
    return command.outcome(call, completed, call["cmd"], began)
