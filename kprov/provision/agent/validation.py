"""A program that looks at a new file before it takes its place (`validate`)."""

from __future__ import annotations

import shlex
from typing import Callable

from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed


def validator(call: Call) -> Callable[[str], None] | None:
    """What checks the new file before it takes its place, None where the task names nothing."""
    command = call.get("validate")
    if not command:
        return None
    if "%s" not in command:
        raise ModuleFailed("'validate' must contain %s, where the new file's path goes")

    def check(path: str) -> None:
        argv = shlex.split(command.replace("%s", shlex.quote(path)))
        completed = call.run(argv, succeed=False)
        if completed.rc != 0:
            raise ModuleFailed(
                "the new content was refused by '%s': %s" % (argv[0], completed.words()), rc=completed.rc
            )

    return check
