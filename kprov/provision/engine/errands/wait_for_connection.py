"""wait_for_connection: until the machine can be worked on, by a connection that is made anew."""

from __future__ import annotations

import time
from typing import Any

from kprov.provision.agent.parameters import Parameter
from kprov.provision.engine.errands.machine import Machine

PARAMETERS = {
    "connect_timeout": Parameter("int", default=5),
    "delay": Parameter("int", default=0),
    "sleep": Parameter("int", default=1),
    "timeout": Parameter("int", default=600),
}
EXPLAINED = {
    "connect_timeout": "seconds for one attempt to connect.",
    "delay": "seconds before the first attempt.",
    "sleep": "seconds between attempts.",
    "timeout": "seconds until it is given up.",
}
RETURNS = {"elapsed": "the seconds that it took."}


def run(given: dict[str, Any], machine: Machine) -> dict[str, Any]:
    """Wait."""
    if machine.check:
        return {"changed": False, "skipped": True, "msg": "connections are not waited for in check mode"}
    begun = time.monotonic()
    time.sleep(given["delay"])
    once = float(given["connect_timeout"])
    machine.until(
        lambda left: machine.connect_anew(min(left, once)),
        f"a connection to {machine.name}",
        given["timeout"],
        "timeout",
        max(0.1, given["sleep"]),
    )
    return {"changed": False, "elapsed": int(time.monotonic() - begun)}
