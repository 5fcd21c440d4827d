"""shell: run a command line through a shell. Parameters and results are command's; `executable` is the shell."""

from __future__ import annotations

import time
from typing import Any

from kprov.provision.agent import processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.modules import command
from kprov.provision.agent.parameters import Parameter

FREE_FORM = "cmd"
PARAMETERS = {
    **{name: parameter for name, parameter in command.PARAMETERS.items() if name not in ("argv", "cmd")},
    "cmd": Parameter("str", required=True),
    "executable": Parameter("path", default="/bin/sh"),
}


def run(call: Call) -> dict[str, Any]:
    """Run it."""
    early = command.unnecessary(call)
    if early is not None:
        return early
    if not call["cmd"].strip():
        raise ModuleFailed("command is empty")
    started = time.monotonic()
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
    return command.outcome(completed, call["cmd"], time.monotonic() - started)
