"""ping: the machine answers.

Parameters:
    data: what it answers with.

Returns:
    ping: the data.
"""

from __future__ import annotations

from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {"data": Parameter("str", default="pong")}


def run(call: Call) -> dict[str, Any]:
    """Answer with `data`; "crash" fails, so that a playbook's handling of failures can be tried."""
    if call["data"] == "crash":
        raise ModuleFailed("boom")
    return {"changed": False, "ping": call["data"]}
