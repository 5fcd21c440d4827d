"""ping: the machine answers."""

from __future__ import annotations

from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {"data": Parameter("str", default="pong")}


def run(call: Call) -> dict[str, Any]:
    """Answer with `data`."""
    return {"changed": False, "ping": call["data"]}
