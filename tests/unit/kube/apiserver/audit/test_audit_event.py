"""What the audit log says of when a request came, and how it tells requests apart."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from kprov.kube.apiserver.audit import event


def test_identifiers_are_random_uuids() -> None:
    found = [event._identifier() for _ in range(500)]
    assert len(set(found)) == 500
    for text in found:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_times_are_of_now_with_microseconds() -> None:
    before = datetime.now(UTC)
    text = event._now()
    after = datetime.now(UTC)
    assert before - timedelta(microseconds=1) <= datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z") <= after
    assert len(text) == len("2026-01-02T03:04:05.678901Z")
