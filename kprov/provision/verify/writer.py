"""A client that writes all the time, to measure for how long the cluster could not take a write."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError


@dataclass(slots=True)
class Outage:
    """What a writer saw: writes that were acknowledged, that failed, and the longest time between two acknowledged."""

    acknowledged: int = 0
    failed: int = 0
    longest_gap_seconds: float = 0.0
    errors: list[str] = field(default_factory=list)


class Writer:
    """Updates one ConfigMap about ten times a second until the block ends.

    Every acknowledged number must be found again: `lost` says whether the cluster forgot one.
    """

    def __init__(self, api: ClusterApi, namespace: str, name: str = "writes") -> None:
        self._api = api
        self._collection = f"/api/v1/namespaces/{namespace}/configmaps"
        self._name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="verify-writer", daemon=True)
        self._last = time.monotonic()
        self.outage = Outage()
        self.highest_acknowledged = -1

    def __enter__(self) -> Writer:
        """Make the ConfigMap and begin."""
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self._name}, "data": {"number": "-1"}}
        self._api.request("POST", self._collection, body=body)
        self._last = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop writing, and count the time since the last acknowledged write."""
        self._stop.set()
        self._thread.join()
        self._note_gap()

    def _note_gap(self) -> None:
        self.outage.longest_gap_seconds = max(self.outage.longest_gap_seconds, time.monotonic() - self._last)

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            patch = {"data": {"number": str(number)}}
            try:
                self._api.request(
                    "PATCH",
                    f"{self._collection}/{self._name}",
                    body=patch,
                    content_type="application/merge-patch+json",
                    timeout=2,
                )
            except ClusterApiError as error:
                self.outage.failed += 1
                if len(self.outage.errors) < 5:
                    self.outage.errors.append(str(error)[:300])
                self._stop.wait(0.05)
                continue
            self.outage.acknowledged += 1
            self.highest_acknowledged = number
            self._note_gap()
            self._last = time.monotonic()
            number += 1
            self._stop.wait(0.1)

    def lost(self) -> str:
        """What of the acknowledged writes the cluster does not have any more; "" when nothing is lost."""
        stored = int(self._api.request("GET", f"{self._collection}/{self._name}")["data"]["number"])
        if stored < self.highest_acknowledged:
            return f"write {self.highest_acknowledged} was acknowledged, the cluster has {stored}"
        return ""
