"""The program ip(8), asked in JSON and told in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson


class IpError(Exception):
    """ip refused; the text is its own."""


async def _run(*arguments: str, stdin: bytes | None = None) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "ip",
        *arguments,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(stdin)
    if process.returncode:
        raise IpError(errors.decode(errors="replace").strip() or f"ip ended with {process.returncode}")
    return output


async def ask(*arguments: str) -> list[dict[str, Any]]:
    """What ip lists, parsed. Raises IpError."""
    output = await _run("-json", "-4", *arguments)
    found: list[dict[str, Any]] = orjson.loads(output) if output.strip() else []
    return found


async def tell(commands: Sequence[str]) -> None:
    """Carry out commands (each without the leading ``ip``), all of them even where one fails. Raises IpError."""
    if commands:
        await _run("-4", "-force", "-batch", "-", stdin="\n".join(commands).encode() + b"\n")
