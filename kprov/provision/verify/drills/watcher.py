"""A client that watches what another one writes: it must hear of each write, whatever happens to its connections."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError

# An API server sends nothing for up to a minute where nothing happens; here ten writes a second do.
_SILENCE = 3.0


class Watcher:
    """Watches one ConfigMap, resuming where it was after each break, as informers do."""

    def __init__(self, api: ClusterApi, namespace: str, name: str) -> None:
        self._api = api
        self._collection = f"/api/v1/namespaces/{namespace}/configmaps"
        self._name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="verify-watcher", daemon=True)
        self.heard: set[str] = set()
        """The keys that were there in some event."""
        self.resumed = 0
        self.relisted = 0
        self.wrong: list[str] = []
        """What no watch may show."""
        self._version = ""

    def __enter__(self) -> Watcher:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """No further watch."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if not self._version:
                    self._list()
                self._watch()
            except (ClusterApiError, ValueError) as error:
                if isinstance(error, ClusterApiError) and error.code == 410:
                    self._version = ""
                    self.relisted += 1
                self._stop.wait(0.05)
            self.resumed += not self._stop.is_set()

    def _list(self) -> None:
        found = self._api.request(
            "GET", self._collection, params={"fieldSelector": f"metadata.name={self._name}"}, timeout=2
        )
        for item in found["items"]:  # what happened until then has no events of its own
            self.heard.update(item.get("data") or {})
        self._version = found["metadata"]["resourceVersion"]

    def _watch(self) -> None:
        params = {
            "fieldSelector": f"metadata.name={self._name}",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
        }
        for event in self._api.watch(self._collection, params=params, silence=_SILENCE):
            if event["type"] == "ERROR":
                raise ClusterApiError(str(event["object"].get("message")), int(event["object"].get("code") or 0))
            version = event["object"]["metadata"]["resourceVersion"]
            if int(version) < int(self._version or 0):
                self.wrong.append(f"an event of {version} came after {self._version}")
            self._version = version
            if event["type"] == "DELETED":
                self.wrong.append("the object that is written to was told to be deleted")
            if event["type"] != "BOOKMARK":  # of which nothing but the version is filled in
                self._hear(set(event["object"].get("data") or {}))
            if self._stop.is_set():
                return

    def _hear(self, keys: set[str]) -> None:
        # Each write adds one key, and is one event.
        new = keys - self.heard
        if len(new) > 1:
            self.wrong.append(f"one event brought {len(new)} writes: {', '.join(sorted(new)[:4])}")
        if gone := self.heard - keys:
            self.wrong.append(f"an event lacks {len(gone)} writes of earlier events, such as {min(gone)}")
        self.heard |= new

    def missed(self, wanted: set[str], patience: float) -> str:
        """What of these keys' events it has missed; "" when none.

        Args: ``patience``: seconds that events under way may still take.
        """
        end = time.monotonic() + patience
        while wanted - self.heard and time.monotonic() < end:
            time.sleep(0.05)
        gone = sorted(wanted - self.heard)
        if gone:
            return f"no event of {len(gone)} writes, such as {', '.join(gone[:3])}"
        return "; ".join(self.wrong[:3])
