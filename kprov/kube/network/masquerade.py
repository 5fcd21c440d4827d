"""Pods reach the outside with their machine's address: nobody out there knows the way back to a pod."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

TABLE = "kprov-network"


class MasqueradeError(Exception):
    """nft refused; the text is its own."""


def ruleset(pod_cidr: str, cluster_cidr: str, node_addresses: Iterable[str]) -> str:
    """The table in nft's language, replacing what was there in one transaction.

    Packets from this node's pods are masqueraded unless they go to pods or to machines of the cluster, which know the
    way back.
    """
    known = ", ".join(sorted({cluster_cidr, *node_addresses}))
    return f"""add table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
    set known {{
        type ipv4_addr
        flags interval
        auto-merge
        elements = {{ {known} }}
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {pod_cidr} ip daddr != @known ip daddr != 224.0.0.0/4 masquerade fully-random
    }}
}}
"""


async def listing() -> str:
    """The table as the kernel has it, without its handles; nothing where it is not there."""
    process = await asyncio.create_subprocess_exec(
        "nft", "list", "table", "ip", TABLE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    return "" if process.returncode else said.decode(errors="replace")


async def load(commands: str) -> None:
    """Carry out commands in nft's language. Raises MasqueradeError."""
    process = await asyncio.create_subprocess_exec(
        "nft",
        "-f",
        "-",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate(commands.encode())
    if process.returncode:
        raise MasqueradeError(errors.decode(errors="replace").strip())
