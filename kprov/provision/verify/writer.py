"""A client that writes all the time, to measure for how long the cluster could not take a write."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError

Seen = Callable[[float, float, bool], None]


@dataclass(slots=True)
class Outage:
    """What a writer saw: acknowledged writes, failed tries, writes that needed several, the longest pause."""

    acknowledged: int = 0
    failed: int = 0
    repeated: int = 0
    longest_gap_seconds: float = 0.0
    errors: list[str] = field(default_factory=list)


class Writer:
    """Updates one ConfigMap about ten times a second until the block ends.

    Each write leaves a key of its own there: `lost` says whether the cluster forgot one that it had acknowledged.
    ``seen`` is told of every try: when it began, how long it took, and whether it was acknowledged.
    """

    def __init__(self, api: ClusterApi, namespace: str, name: str = "writes", *, seen: Seen | None = None) -> None:
        self._api = api
        self._collection = f"/api/v1/namespaces/{namespace}/configmaps"
        self._name = name
        self._seen = seen
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="verify-writer", daemon=True)
        self._last = time.monotonic()
        self.outage = Outage()
        self.highest_acknowledged = -1

    def __enter__(self) -> Writer:
        """Make the ConfigMap and begin."""
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self._name}}
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
        number, tries = 0, 0
        while not self._stop.is_set():
            patch = {"data": {f"write-{number}": ""}}
            began = time.monotonic()
            tries += 1
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
                self.outage.repeated += tries == 1
                self._tell(began, False)
                if len(self.outage.errors) < 5:
                    self.outage.errors.append(str(error)[:300])
                self._stop.wait(0.05)
                continue
            self._tell(began, True)
            self.outage.acknowledged += 1
            self.highest_acknowledged = number
            self._note_gap()
            self._last = time.monotonic()
            number, tries = number + 1, 0
            self._stop.wait(0.1)

    def _tell(self, began: float, acknowledged: bool) -> None:
        if self._seen is not None:
            self._seen(began, time.monotonic() - began, acknowledged)

    def lost(self) -> str:
        """What of the acknowledged writes the cluster does not have any more; "" when nothing is lost."""
        data = self._api.request("GET", f"{self._collection}/{self._name}").get("data") or {}
        # A write is repeated until it is acknowledged, so all below the highest were.
        gone = [str(number) for number in range(self.highest_acknowledged + 1) if f"write-{number}" not in data]
        return f"writes {', '.join(gone[:5])} were acknowledged, the cluster has them no more" if gone else ""
