"""The options of `kprov plan -o` and `kprov up --plan`: what is refused before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "-o", "json"], "--output json"),
        (["plan", "-o", "{folder}"], "is a folder"),
        (["plan", "-o", "{folder}/no/where"], "which is no folder"),
        (["up", "--plan", "{folder}/none"], "can't be read"),
        (["up", "--plan", "{inventory}"], "is no plan of kprov"),
        (["up", "--plan", "{inventory}", "--limit", "cp1", "--tags", "x", "--check"], "--check, --limit, --tags"),
        (["up", "--plan", "{inventory}", "--only-answering", "--start-at-phase", "x"], "--only-answering, --start-at-"),
    ],
)
def test_refused(kprov: Callable[..., Any], inventory_file: Path, arguments: list[str], message: str) -> None:
    folder = inventory_file.parent
    words = [word.format(folder=folder, inventory=inventory_file) for word in arguments]
    done = kprov(*words, "-i", inventory_file)
    assert done.code == 2 and message in done.err and "Traceback" not in done.err, done.err
    assert [path.name for path in folder.iterdir()] == [inventory_file.name]
