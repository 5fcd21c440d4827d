"""Runs a daemon: upstream's name in ``ps``, uvloop, logs to stderr, systemd's notices, and a graceful stop.

A daemon's ``main`` is a coroutine that calls :func:`ready` once it serves. SIGTERM and SIGINT cancel it: it cleans
up in ``finally`` and ends. A second signal ends the process at once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

from kprov.kube.api import sd_notify
from kprov.kube.api.flags import Flags, FlagSet
from kprov.kube.api.process_title import set_process_title
from kprov.kube.api.sd_notify import ready

__all__ = ["DaemonError", "ready", "run_daemon", "set_up_logging"]

_SEVERITY = {logging.DEBUG: "I", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}
log = logging.getLogger(__name__)


class DaemonError(Exception):
    """The daemon cannot go on. The message tells the operator what to do; no traceback is shown."""


class OneLineFormatter(logging.Formatter):
    """klog's line: severity, date, time, process, place, message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line a record, and the traceback below it where there is one."""
        moment = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micros = int(record.created % 1 * 1e6)
        place = f"{record.filename}:{record.lineno}"
        severity = _SEVERITY.get(record.levelno, "I")
        text = f"{severity}{moment}.{micros:06d} {record.process:7d} {place}] {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def set_up_logging(verbosity: int = 0) -> None:
    """Log to stderr, where journald picks it up; from verbosity 4 on with debug messages."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter())
    logging.basicConfig(level=logging.DEBUG if verbosity >= 4 else logging.INFO, handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _tune_memory() -> None:
    """Parsed objects are trees without cycles: collecting often would only cost time."""
    gc.collect()
    gc.freeze()  # what is loaded by now stays for ever
    gc.set_threshold(20_000, 20, 50)


def run_daemon(
    name: str,
    main: Callable[[Flags], Awaitable[None]],
    flags: FlagSet,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run a daemon until it ends or is told to.

    Args:
        name: upstream's name of the program.
        main: the daemon itself; it is cancelled when the process is to stop.
        flags: what its command line may say.
        arguments: the command line without the program; by default the process's own.

    Returns:
        The exit code: 0 after a stop that was asked for or a main that returned, 1 after a failure.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    values = flags.parse_or_exit(words)
    set_process_title(name, words)
    set_up_logging(values.v)
    try:
        import uvloop

        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:
        loop_factory = None
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(_supervise(name, main, values))
    except KeyboardInterrupt:
        return 130


async def _supervise(name: str, main: Callable[[Flags], Awaitable[None]], values: Flags) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main(values))
    asked_to_stop = False

    def stop(number: int) -> None:
        nonlocal asked_to_stop
        if asked_to_stop:
            log.warning("%s: second signal, leaving at once", name)
            os._exit(1)
        asked_to_stop = True
        log.info("%s: %s, stopping", name, signal.Signals(number).name)
        sd_notify.stopping()
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    watchdog = asyncio.create_task(sd_notify.keep_watchdog())
    loop.call_later(5, _tune_memory)
    try:
        await task
    except asyncio.CancelledError:
        if not asked_to_stop:
            raise
    except DaemonError as error:
        log.critical("%s: %s", name, error)
        return 1
    except Exception:
        log.critical("%s failed", name, exc_info=True)
        return 1
    finally:
        watchdog.cancel()
    return 0
