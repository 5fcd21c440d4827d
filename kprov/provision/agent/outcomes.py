"""What is answered for a module that did not end well, whatever it raised."""

from __future__ import annotations

import traceback
from typing import Any

from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import WrongArguments


def of_failure(error: Exception, module: str | None) -> dict[str, Any]:
    """A failure as a result.

    Args:
        error: what was raised.
        module: whose arguments they were.
    """
    if isinstance(error, ModuleFailed):
        return {"failed": True, "msg": error.message, **error.data}
    if isinstance(error, WrongArguments):
        return {"failed": True, "msg": "%s %s" % (module, "; ".join(error.problems))}
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror + (": %s" % error.filename if error.filename else "")
    return {
        "failed": True,
        "msg": text,
        "exception": "%s at %s:%d" % (type(error).__name__, place.name, place.lineno or 0),
    }
