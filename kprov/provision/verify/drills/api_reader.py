"""A client that reads one object all the time, fresh, as a person's kubectl does."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError
from kprov.provision.verify.drills.tries import Tries


class ApiReader:
    """Reads the namespace about ten times a second until the block ends."""

    def __init__(self, api: ClusterApi, namespace: str, tries: Tries) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}"
        self._tries = tries
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="verify-reader", daemon=True)

    def __enter__(self) -> ApiReader:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """No further reads."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._api.request("GET", self._path, timeout=2)
                answered = True
            except ClusterApiError:
                answered = False
            self._tries.add(began, time.monotonic() - began, answered)
            self._stop.wait(0.1 if answered else 0.05)
