"""Every errand by the name that Ansible gives it."""

from __future__ import annotations

from typing import Any, Protocol

from kprov.provision.agent.parameters import Specification, WrongArguments, coerce
from kprov.provision.engine.errands import fetch, reboot, wait_for_connection
from kprov.provision.engine.errands.machine import ErrandFailed, Machine


class Errand(Protocol):
    """What each file here has."""

    @property
    def PARAMETERS(self) -> Specification:
        """What it takes."""

    @property
    def EXPLAINED(self) -> dict[str, str]:
        """What each parameter is."""

    @property
    def RETURNS(self) -> dict[str, str]:
        """What each value of its result is."""

    def run(self, given: dict[str, Any], machine: Machine) -> dict[str, Any]:
        """Do it. Raises ErrandFailed, Unreachable."""


ERRANDS: dict[str, Errand] = {
    "fetch": fetch,
    "reboot": reboot,
    "wait_for_connection": wait_for_connection,
}

# They end the connection that they are done by: on another host, that one's own tasks would lose theirs.
ON_THE_HOST_ITSELF = frozenset({"reboot", "wait_for_connection"})


def run_errand(name: str, given: dict[str, Any], machine: Machine) -> dict[str, Any]:
    """Do an errand; its failure is a result.

    Args:
        name: which.
        given: its arguments, rendered.
        machine: the machine.

    Raises:
        Unreachable: the connection was lost.
    """
    errand = ERRANDS[name]
    try:
        return errand.run(coerce(errand.PARAMETERS, given), machine)
    except WrongArguments as wrong:
        return {"failed": True, "changed": False, "msg": f"{name} {wrong}"}
    except ErrandFailed as failure:
        return {"failed": True, "changed": False, "msg": failure.message, **failure.data}
