"""What drills are played on: a namespace with a web server on every node, and a Service before them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from kprov.provision.verify.session import Session
from kprov.provision.verify.workload import (
    daemon_set,
    default_account,
    namespace,
    pods_missing,
    remove_leftovers,
    service,
)


class Stage:
    """It stands. ``url`` is the Service's, for callers on machines."""

    def __init__(self, name: str, url: str) -> None:
        self.namespace = name
        self.url = url
        self._numbers = itertools.count(1)

    def next_number(self) -> int:
        """Of the next harm."""
        return next(self._numbers)


@contextmanager
def set_up(session: Session) -> Iterator[Stage]:
    """Set it up, and take it away at the end. Raises: CheckFailed, ClusterApiError."""
    remove_leftovers(session)
    with namespace(session) as space:
        session.wait(lambda: default_account(session, space), "workload")
        session.api.request("POST", f"/apis/apps/v1/namespaces/{space}/daemonsets", body=daemon_set())
        made = session.api.request("POST", f"/api/v1/namespaces/{space}/services", body=service())
        session.wait(lambda: pods_missing(session, space), "workload")
        yield Stage(space, f"http://{made['spec']['clusterIP']}/")
