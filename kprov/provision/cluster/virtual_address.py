"""The API's virtual address is elsewhere while an API server is restarted, so that nobody knocks in vain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kprov.provision.cluster.canary import sick_api_servers
from kprov.provision.cluster.context import Context
from kprov.provision.inventory import Host

_UNIT = "keepalived"


@contextmanager
def handed_over(context: Context, host: Host) -> Iterator[None]:
    """Let another machine have the address for as long as the block lasts, where there is one and it is ready.

    Who asks keepalived to end has it say so to the others, which take the address over at once; a check that notices
    takes seconds. Killed meanwhile, the next `kprov up` starts keepalived again.
    """
    if not _is_wanted(context, host):
        yield
        return
    engine = context.engine
    stopped = ("systemd", {"name": _UNIT, "state": "stopped", "_title": "Hand the API's virtual address over"})
    engine.module_all({host.name: stopped})
    try:
        yield
    finally:
        started = ("systemd", {"name": _UNIT, "state": "started", "no_block": True, "_title": "Be ready for it again"})
        engine.module_all({host.name: started})


def _is_wanted(context: Context, host: Host) -> bool:
    address = context.inventory.cluster.api_virtual_address
    if not address or "control_plane" not in host.groups or context.engine.check:
        return False
    look = ["sh", "-c", f"systemctl is-active -q {_UNIT} && ip -o address show to {address}/32 | grep -q ."]
    holds = context.engine.module(host, "command", argv=look, _check=False, _quiet=True)
    if holds.failed:
        return False
    others = [each for each in context.inventory.group("control_plane") if each.name != host.name]
    return len(sick_api_servers(context, others)) < len(others)
