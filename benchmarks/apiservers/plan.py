"""What is measured, in which order, on one server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from apiservers import fan_out, load, objects
from apiservers.load import Load
from apiservers.servers import Server

Note = Callable[..., None]
_MERGE = "application/merge-patch+json"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_ROOM = 300  # objects that updates and patches go round


class Plan:
    """The measurements of one server.

    Args:
        note: takes (operation, parallel, unit, figure) for each.
        seconds: of each load.
        parallels: requests at a time.
        watchers: numbers of watchers.
        most: pods in the larger lists; 0 leaves them out.
    """

    def __init__(
        self,
        server: Server,
        note: Note,
        folder: Path,
        *,
        seconds: float,
        parallels: list[int],
        watchers: list[int],
        most: int,
    ) -> None:
        self._server, self._note, self._folder = server, note, folder
        self._seconds, self._parallels, self._watchers, self._most = seconds, parallels, watchers, most

    def run(self) -> None:
        """All of it."""
        server = self._server
        self._note("cold start to ready", 1, "s", server.seconds_to_ready)
        time.sleep(5)  # rest, as in "memory at rest"
        self._note("memory at rest", 1, "MB", server.memory_mb())
        self._note("TLS handshakes", 1, "/s", load.handshakes(server, self._seconds))
        objects.prepare(server)
        objects.make_pods(server, 0, 1000)
        self._reads()
        self._writes()
        names = [f"pod-{number}" for number in range(_ROOM)]
        for count in self._watchers:
            found = fan_out.measure(server, count, names, self._folder)
            self._note("watch: events delivered", count, "/s", found.per_second, found.cpu_ms)
            self._note("watch: write to delivery, p50", count, "ms", found.p50)
            self._note("watch: write to delivery, p99", count, "ms", found.p99)
        if self._most:
            objects.make_pods(server, 1000, self._most)
            self._lists(self._most, (1,))
        self._note("memory after the load", 1, "MB", server.memory_mb())

    def run_audited(self) -> None:
        """What the audit log costs: a little of all this, on a server that keeps one."""
        objects.prepare(self._server)
        objects.make_pods(self._server, 0, 1000)
        paths = [f"{objects.PODS}/pod-{number}" for number in range(1000)]
        full = objects.changed(self._server, "NAME", "UNIQUE")
        for parallel in self._parallels:
            rv0 = Load("GET", [f"{path}?resourceVersion=0" for path in paths])
            self._load("get rv=0, audited", rv0, parallel)
            self._load("update, audited", Load("PUT", paths[:_ROOM], full), parallel)

    def _load(self, title: str, what: Load, parallel: int) -> None:
        found = load.measure(self._server, what, parallel, self._seconds, self._folder)
        self._note(title, parallel, "/s", found.per_second, found.cpu_ms)
        self._note(f"{title}, p99", parallel, "ms", found.p99)

    def _reads(self) -> None:
        paths = [f"{objects.PODS}/pod-{number}" for number in range(1000)]
        for parallel in self._parallels:
            self._load("get", Load("GET", paths), parallel)
            self._load("get rv=0", Load("GET", [f"{path}?resourceVersion=0" for path in paths]), parallel)
        self._lists(1000, [parallel for parallel in self._parallels if parallel <= 16])

    def _lists(self, count: int, parallels: list[int] | tuple[int, ...]) -> None:
        for parallel in parallels:
            self._load(f"list of {count} rv=0", Load("GET", [f"{objects.PODS}?resourceVersion=0"]), parallel)
            self._load(f"list of {count}", Load("GET", [objects.PODS]), parallel)
            self._load(f"list of {count} limit=500", Load("GET", [f"{objects.PODS}?limit=500"]), parallel)
        latest = [f"{objects.PODS}?resourceVersion=0"]
        self._load(f"list of {count} rv=0, as a table", Load("GET", latest, accept=_TABLE), 1)
        self._load(f"list of {count} rv=0, protobuf", Load("GET", latest, accept=_PROTOBUF), 1)

    def _writes(self) -> None:
        paths = [f"{objects.PODS}/pod-{number}" for number in range(_ROOM)]
        full = objects.changed(self._server, "NAME", "UNIQUE")
        patch = json.dumps({"metadata": {"labels": {"stamp": "UNIQUE"}}})
        for parallel in self._parallels:
            self._load("create", Load("POST", [objects.PODS], json.dumps(objects.pod("new-UNIQUE", "new"))), parallel)
            self._load("update", Load("PUT", paths, full), parallel)
            self._load("patch", Load("PATCH", paths, patch, _MERGE), parallel)
            made = [f"{objects.PODS}/{name}" for name in objects.names(self._server, "new-")]
            self._load("delete", Load("DELETE", made, once=True), parallel)
            self._server.ask(self._server.connect(), "DELETE", f"{objects.PODS}?labelSelector=stamp%3Dnew")  # the rest
