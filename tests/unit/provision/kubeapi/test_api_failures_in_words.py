"""What is said of an API server that does not answer: words, and no object of Python's."""

from __future__ import annotations

import pytest
import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from kprov.provision.kubeapi.client import _reason

CONNECTION = HTTPSConnection("192.0.2.1", 6443)
POOL = urllib3.HTTPSConnectionPool("192.0.2.1", 6443)
TIMED_OUT = ConnectTimeoutError(CONNECTION, "Connection to 192.0.2.1 timed out. (connect timeout=3.0)")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TIMED_OUT, "Connection to 192.0.2.1 timed out. (connect timeout=3.0)"),
        (MaxRetryError(POOL, "/", TIMED_OUT), "Connection to 192.0.2.1 timed out. (connect timeout=3.0)"),
        (NewConnectionError(CONNECTION, "[Errno 111] Connection refused"), "[Errno 111] Connection refused"),
        (ReadTimeoutError(POOL, "/", "Read timed out. (read timeout=1)"), "Read timed out. (read timeout=1)"),
        (ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer")), "[Errno 104] reset by peer"),
        (ProtocolError(), "ProtocolError"),
    ],
)
def test_reasons(error: Exception, words: str) -> None:
    assert _reason(error) == words
