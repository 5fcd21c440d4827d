"""The program kube-apiserver."""

from __future__ import annotations

import asyncio
import sys

from kprov.kube.api.daemon import ready, run_daemon
from kprov.kube.api.flags import Flags
from kprov.kube.apiserver.options import flag_set


async def serve(flags: Flags) -> None:
    """Serve until cancelled."""
    from kprov.kube.apiserver.server import Server  # --help and --version need none of it

    server = Server(flags)
    try:
        await server.start()
        ready()
        await asyncio.Event().wait()
    finally:
        await server.stop()


def main() -> None:
    """Entry point."""
    sys.exit(run_daemon("kube-apiserver", serve, flag_set()))
