"""What a service tells systemd: that it is ready, that it stops, that it is alive (sd_notify(3))."""

from __future__ import annotations

import asyncio
import os
import socket


def notify(message: str) -> bool:
    """Send a message to the service manager.

    Args:
        message: lines such as ``READY=1`` or ``STATUS=...``.

    Returns:
        Whether there is a service manager that asked for messages.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(message.encode(), address)
    except OSError:
        return False  # a manager that went away must not take the service with it
    return True


def ready(status: str = "serving") -> None:
    """Say that the service does its work now."""
    notify(f"READY=1\nSTATUS={status}")


def stopping() -> None:
    """Say that the service has begun to stop."""
    notify("STOPPING=1")


async def keep_watchdog() -> None:
    """Tell systemd twice per watchdog interval that the event loop still turns; returns where no watchdog is set."""
    interval = int(os.environ.get("WATCHDOG_USEC") or 0) / 1e6
    owner = os.environ.get("WATCHDOG_PID")
    if not interval or (owner and int(owner) != os.getpid()):
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval / 2)
