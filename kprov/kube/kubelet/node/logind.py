"""systemd-logind, asked over the message bus to wait for the kubelet before the machine goes down.

What logind calls a delay lock (systemd-inhibit(1)): a shutdown that was asked for is announced to all, and begins when
the last lock is let go, or InhibitDelayMaxSec has passed. Upstream's kubelet does the same.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jeepney.io.blocking import DBusConnection

log = logging.getLogger(__name__)

# The file that upstream's kubelet writes, too: one machine has one such setting.
SETTING = Path("/etc/systemd/logind.conf.d/99-kubelet.conf")
_NAME, _PATH = "org.freedesktop.login1", "/org/freedesktop/login1"
_MANAGER = "org.freedesktop.login1.Manager"
_SIGNAL = "PrepareForShutdown"
_PATIENCE = 5.0  # seconds for an answer of logind


class NoLogind(Exception):
    """logind can't be asked; the message says why."""


class Logind:
    """A connection to logind that holds a delay lock, and hears of shutdowns."""

    def __init__(self, connection: DBusConnection) -> None:
        self._connection = connection
        self._lock: int | None = None

    @classmethod
    def connect(cls) -> Logind:
        """Connect, and listen. Blocks for a moment. Raises NoLogind."""
        from jeepney import MatchRule, message_bus
        from jeepney.io.blocking import open_dbus_connection

        try:
            connection = open_dbus_connection(bus="SYSTEM", enable_fds=True)
        except (OSError, ValueError) as error:
            raise NoLogind(f"the system's message bus is not to be had: {error}") from None
        logind = cls(connection)
        try:
            logind._ask(message_bus.AddMatch(MatchRule(type="signal", interface=_MANAGER, member=_SIGNAL, path=_PATH)))
        except NoLogind:
            logind.close()
            raise
        return logind

    def _ask(self, message: Any) -> Any:
        from jeepney import DBusErrorResponse
        from jeepney.wrappers import unwrap_msg

        try:
            return unwrap_msg(self._connection.send_and_get_reply(message, timeout=_PATIENCE))
        except DBusErrorResponse as error:
            raise NoLogind(f"{error.name}: {error.data[0] if error.data else 'no reason given'}") from None
        except (OSError, TimeoutError) as error:
            raise NoLogind(f"logind does not answer: {error or 'no answer in time'}") from None

    def longest_delay(self) -> float:
        """Seconds that logind waits for locks. Raises NoLogind."""
        from jeepney import DBusAddress, Properties

        manager = DBusAddress(_PATH, bus_name=_NAME, interface=_MANAGER)
        ((_, microseconds),) = self._ask(Properties(manager).get("InhibitDelayMaxUSec"))
        return float(microseconds) / 1e6

    def allow(self, seconds: float) -> None:
        """Have logind wait for so long. Blocks until it does. Raises NoLogind."""
        if self.longest_delay() >= seconds:
            return
        try:
            SETTING.parent.mkdir(parents=True, exist_ok=True)
            SETTING.write_text(f"[Login]\nInhibitDelayMaxSec={seconds:.0f}\n")
            command = ["systemctl", "kill", "--signal=HUP", "systemd-logind.service"]
            subprocess.run(command, check=True, capture_output=True, timeout=_PATIENCE)
        except (OSError, subprocess.SubprocessError) as error:
            raise NoLogind(f"logind can't be told to wait for {seconds:g} s: {error}") from None
        deadline = time.monotonic() + _PATIENCE
        while (now := self.longest_delay()) < seconds:
            if time.monotonic() > deadline:
                raise NoLogind(f"logind waits for {now:g} s at most, not {seconds:g} s, whatever {SETTING} says")
            time.sleep(0.1)

    def hold(self) -> None:
        """Take the delay lock. Raises NoLogind."""
        from jeepney import DBusAddress, new_method_call

        self.let_go()
        manager = DBusAddress(_PATH, bus_name=_NAME, interface=_MANAGER)
        words = ("shutdown", "kubelet", "pods are ended in order", "delay")
        (handle,) = self._ask(new_method_call(manager, "Inhibit", "ssss", words))
        self._lock = handle.to_raw_fd()

    def let_go(self) -> None:
        """Let the lock go: the shutdown may begin."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def announcements(self) -> AsyncGenerator[bool, None]:
        """Each time: True when the machine is about to go down, False when that was called off. Raises NoLogind."""
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        heard.set()  # something may have come with the answers
        handle = self._connection.sock.fileno()
        loop.add_reader(handle, heard.set)
        try:
            while True:
                await heard.wait()
                heard.clear()
                for goes_down in self._received():
                    yield goes_down
        finally:
            loop.remove_reader(handle)

    def _received(self) -> list[bool]:
        from jeepney import HeaderFields

        found: list[bool] = []
        while True:
            try:
                message = self._connection.receive(timeout=0)
            except TimeoutError:
                return found
            except OSError as error:
                raise NoLogind(f"the message bus has hung up: {error}") from None
            if message.header.fields.get(HeaderFields.member) == _SIGNAL and message.body:
                found.append(bool(message.body[0]))

    def close(self) -> None:
        """Let the lock go, and hang up."""
        self.let_go()
        self._connection.close()
