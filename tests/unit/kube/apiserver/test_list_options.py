"""Which parameters of lists and watches go together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.handlers.list_options import check_list, check_watch


def request(**query: str) -> Any:
    return SimpleNamespace(query=query)


def complaints(check: Any, **query: str) -> list[str]:
    try:
        check(request(**query))
    except ApiError as error:
        return [cause["message"] for cause in error.status["details"]["causes"] if error.code == 422]
    return []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, []),
        ({"resourceVersion": "5", "resourceVersionMatch": "Exact"}, []),
        ({"resourceVersion": "0", "resourceVersionMatch": "NotOlderThan"}, []),
        ({"resourceVersionMatch": "Exact"}, ["unless resourceVersion is provided"]),
        ({"resourceVersion": "0", "resourceVersionMatch": "Exact"}, ['"exact" is forbidden for resourceVersion "0"']),
        (
            {"resourceVersion": "1", "resourceVersionMatch": "Odd", "continue": "x"},
            ["when continue is provided", 'Unsupported value: "Odd"'],
        ),
        ({"sendInitialEvents": "false"}, ["sendInitialEvents is forbidden for list"]),
    ],
)
def test_lists(query: dict[str, str], said: list[str]) -> None:
    found = complaints(check_list, **query)
    assert len(found) == len(said) and all(part in text for part, text in zip(said, found, strict=True))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, []),
        ({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, []),
        ({"sendInitialEvents": "true"}, ["requires setting resourceVersionMatch to NotOlderThan"]),
        ({"resourceVersionMatch": "NotOlderThan"}, ["forbidden for watch unless sendInitialEvents is provided"]),
        (
            {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
            ["requires setting", 'Unsupported value: "Exact"'],
        ),
    ],
)
def test_watches(query: dict[str, str], said: list[str]) -> None:
    found = complaints(check_watch, **query)
    assert len(found) == len(said) and all(part in text for part, text in zip(said, found, strict=True))
