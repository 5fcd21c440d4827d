"""What a machine answers never ends the run of the others: what nobody could foresee of it puts that machine aside."""

from __future__ import annotations

import traceback

from kprov.provision.engine.account import Account
from kprov.provision.transport.errors import ProtocolBroken

# What Python raises over values of another kind than they should be; a disk, a terminal or a run's end are not among
# them.
_KINDS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, RecursionError)


def surprise(host: str, error: Exception, account: Account) -> ProtocolBroken | None:
    """What to say of a machine over whose answers kprov stumbled. Where it stumbled is in the run's log.

    Args:
        host: the machine.
        error: what was raised.
        account: the run's.

    Returns:
        None for what kprov raises on purpose, or what has nothing to do with an answer.
    """
    if not isinstance(error, _KINDS) or type(error).__module__.startswith("kprov."):
        return None
    account.journal.log("".join(traceback.format_exception(error)).rstrip())
    return ProtocolBroken(
        f"{host} answered what kprov can't use ({type(error).__name__}: {str(error)[:200]}), and nothing more is done "
        "on it in this run. See what its python3 is, and whether it was tampered with; if it was not, this is a fault "
        f"in kprov, and {account.journal.log_path} says where"
    )
