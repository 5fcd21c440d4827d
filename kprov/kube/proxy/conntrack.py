"""Makes the kernel forget UDP flows to endpoints that left: UDP has no end, so they would go there for ever."""

from __future__ import annotations

import asyncio
import logging

from kprov.kube.proxy.service_ports import Endpoint

log = logging.getLogger(__name__)


def arguments(address: str, port: int, endpoint: Endpoint | None) -> list[str]:
    """The arguments of ``conntrack`` (8) that delete a Service's UDP flows.

    Arguments: the Service's address, or "" for a node port on any address; its port; the endpoint whose flows go, or
    None for all flows of the Service.
    """
    command = ["conntrack", "-D", "-p", "udp", "--orig-port-dst", str(port)]
    if address:
        command += ["--orig-dst", address]
    if endpoint is not None:
        command += ["--dst-nat", endpoint.address]
    return command


async def forget(flows: list[tuple[str, int, Endpoint | None]]) -> None:
    """Delete the flows; what can't be deleted is logged, since the ruleset is right all the same."""
    for address, port, endpoint in flows:
        command = arguments(address, port, endpoint)
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
        except FileNotFoundError:
            log.warning("conntrack is not installed: UDP clients keep talking to endpoints that left (apt: conntrack)")
            return
        _, errors = await process.communicate()
        # conntrack says "0 flow entries have been deleted" with exit code 1
        if process.returncode and b"0 flow entries" not in errors:
            log.warning("%s: %s", " ".join(command), errors.decode(errors="replace").strip())
