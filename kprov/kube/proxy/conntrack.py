"""Makes the kernel forget flows to endpoints that left, where it would go on sending packets to them.

UDP has no end: a flow would go there for ever. A TCP connection that nobody answered stays in the kernel's table for
two minutes; a client whose next connection has the same port by chance would be sent to the same dead endpoint,
although no rule names it any more. Connections that stand are left alone: an endpoint that ends in order still serves
them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from kprov.kube.proxy.service_ports import Endpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Flow:
    """Packets of clients to a Service's port.

    ``protocol`` is in small letters; ``address`` the Service's, or "" for a node port on any address; ``endpoint`` the
    one whose flows are meant, or None for all flows of the port.
    """

    protocol: str
    address: str
    port: int
    endpoint: Endpoint | None


def commands(flows: Sequence[Flow]) -> list[list[str]]:
    """The commands of ``conntrack`` (8) that delete the flows, each once; none for other protocols than TCP and UDP."""
    found: dict[tuple[str, ...], None] = {}
    for flow in flows:
        command = ["conntrack", "-D", "-p", flow.protocol]
        if flow.protocol == "udp":
            command += ["--orig-port-dst", str(flow.port)]
            command += ["--orig-dst", flow.address] if flow.address else []
            command += ["--dst-nat", flow.endpoint.address] if flow.endpoint else []
        elif flow.protocol == "tcp" and flow.endpoint:
            # Whichever port of a Service led there: one command for all of them.
            command += ["--state", "SYN_SENT", "--dst-nat", flow.endpoint.address]
            command += ["--reply-port-src", str(flow.endpoint.port)]
        else:
            continue
        found[tuple(command)] = None
    return [list(command) for command in found]


async def forget(flows: Sequence[Flow]) -> None:
    """Delete the flows; what can't be deleted is logged, since the ruleset is right all the same."""
    for command in commands(flows):
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
        except FileNotFoundError:
            log.warning("conntrack is not installed: clients keep talking to endpoints that left (apt: conntrack)")
            return
        _, errors = await process.communicate()
        # conntrack says "0 flow entries have been deleted" with exit code 1
        if process.returncode and b"0 flow entries" not in errors:
            log.warning("%s: %s", " ".join(command), errors.decode(errors="replace").strip())
