"""Where kprov's own time goes: a run under Python's profiler, all of its threads, summed up by what they work at.

`python cpu_shares.py OUTPUT ARGUMENTS...` runs kprov so; `shares` reads what it wrote. Waiting costs nothing here: each
thread's clock is that of the CPU. Calls of small functions cost several times what they cost otherwise, so the shares
mean something, the seconds do not.
"""

from __future__ import annotations

import cProfile
import json
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# The first word that a file's path contains says what its time is counted as.
KINDS = (
    ("importing", ("<frozen importlib", "zipimport", "importlib/", "dataclasses.py", "typing.py")),
    ("command line", ("/typer/", "/rich/", "kprov/cli/", "inspect.py")),
    ("reading of inventory and roles", ("/yaml/", "kprov/provision/documents", "kprov/provision/inventory")),
    ("reading of inventory and roles", ("kprov/provision/playbook", "engine/role", "engine/task_", "engine/tasks")),
    ("reading of inventory and roles", ("engine/module_names", "agent/parameters", "engine/documents")),
    ("SSH", ("/paramiko/", "/cryptography/", "/nacl/", "/fabric/", "/invoke/", "transport/", "socket.py")),
    ("frames", ("agent/wire", "agent/fast_json", "transport/inbound")),
    ("rendering", ("/jinja2/", "engine/templating", "engine/template_files", "engine/filters", "engine/variables")),
    ("rendering", ("engine/plain_texts", "engine/search_path", "<template>", "engine/actions", "hashlib.py")),
    ("journal and account", ("engine/journal", "engine/account", "engine/secrets", "json/", "engine/whereabouts")),
    ("journal and account", ("engine/phase_recorder", "engine/result.py", "engine/pending_handlers")),
    ("tasks: order, sending, judging", ("kprov/provision/engine",)),
    ("threads", ("threading.py", "concurrent/", "queue.py")),
)
OTHER = "built-in functions and the rest"


def kind_of(path: str) -> str | None:
    """What a file's time is counted as; None: as its callers'."""
    if path.startswith("~") or path in ("", "<string>"):
        return None
    # Frames are a part of the transport, and said apart.
    for kind, words in sorted(KINDS, key=lambda entry: entry[0] != "frames"):
        if any(word in path for word in words):
            return kind
    return OTHER


def sums(statistics: Iterable[dict[Any, Any]]) -> dict[str, float]:
    """Seconds by kind, from the statistics of several profilers. Built-in functions count for those who call them."""
    found: dict[str, float] = {}
    for part in statistics:
        for (path, _, _), (_, _, own, _, callers) in part.items():
            kind = kind_of(path)
            if kind is not None:
                found[kind] = found.get(kind, 0.0) + own
                continue
            for (caller, _, _), (_, _, seconds, _) in callers.items():
                of_caller = kind_of(caller) or OTHER
                found[of_caller] = found.get(of_caller, 0.0) + seconds
    return found


def shares(path: Path) -> list[tuple[str, float]]:
    """What a profiled run wrote: kinds and their shares of the whole, the largest first."""
    seconds: dict[str, float] = json.loads(path.read_text())
    whole = sum(seconds.values()) or 1.0
    return sorted(((kind, value / whole) for kind, value in seconds.items()), key=lambda entry: -entry[1])


def main() -> None:
    """Run kprov with a profiler in every thread."""
    output, sys.argv = Path(sys.argv[1]), ["kprov", *sys.argv[2:]]
    ended: list[cProfile.Profile] = []

    def profiled(work: Any) -> Any:
        def run(*arguments: Any, **named: Any) -> Any:
            profiler = cProfile.Profile(time.thread_time)
            profiler.enable()
            try:
                return work(*arguments, **named)
            finally:
                profiler.disable()
                ended.append(profiler)

        return run

    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        thread.run = profiled(thread.run)  # type: ignore[method-assign]
        begin(thread)

    threading.Thread.start = start  # type: ignore[method-assign,assignment]

    def kprov() -> int:
        from kprov.cli.main import run

        return run()

    code = profiled(kprov)()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(2.0)
    # Only what has ended is read: a profiler's tables may not be walked while its own thread still writes to them.
    statistics = []
    for profiler in ended:
        profiler.create_stats()
        statistics.append(profiler.stats)
    output.write_text(json.dumps(sums(statistics)))
    sys.exit(code)


if __name__ == "__main__":
    main()
