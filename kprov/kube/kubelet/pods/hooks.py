"""Lifecycle hooks: what runs after a container started and before it ends."""

from __future__ import annotations

import asyncio
from typing import Any

from kprov.kube.kubelet.cri.client import Runtime, RuntimeFailure
from kprov.kube.kubelet.probes.checks import Checker


class HookError(Exception):
    """A hook failed; the message is what it said."""


class Hooks:
    """Runs hooks."""

    def __init__(self, runtime: Runtime, checker: Checker) -> None:
        """Commands go through ``runtime``, HTTP calls through ``checker``."""
        self._runtime, self._checker = runtime, checker

    async def run(
        self, hook: dict[str, Any], container: dict[str, Any], container_id: str, address: str, timeout: float
    ) -> None:
        """Run one hook to its end; raises HookError when it fails or takes longer than ``timeout``."""
        if "exec" in hook:
            command = hook["exec"].get("command") or []
            try:
                code, out, err = await self._runtime.exec_sync(container_id, command, timeout)
            except RuntimeFailure as failure:
                raise HookError(f"command '{' '.join(command)}': {failure.message}") from None
            if code:
                said = (out + err)[:1024].decode(errors="replace")
                raise HookError(f"command '{' '.join(command)}' exited with {code}: , message: \"{said}\"")
        elif "httpGet" in hook:
            try:
                passed, output = await self._checker.http(hook["httpGet"], container, address, timeout or 60)
            except ValueError as error:
                raise HookError(str(error)) from None
            if not passed:
                raise HookError(output)
        elif "sleep" in hook:
            await asyncio.sleep(min(float(hook["sleep"]["seconds"]), timeout or float("inf")))
        elif "tcpSocket" in hook:
            raise HookError("tcpSocket is not a lifecycle handler")
