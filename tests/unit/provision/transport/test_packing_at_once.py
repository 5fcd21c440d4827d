"""Machines with different Pythons are connected to at the same time."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kprov.provision.transport import bootstrap, packing

OTHERS = [bytes([number, 0, 13, 10]) for number in range(2)]


@pytest.fixture
def nothing_packed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(bootstrap, "_archives", {})
    monkeypatch.setattr(bootstrap, "_packed", {})
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(often)


@pytest.mark.usefixtures("nothing_packed")
def test_each_is_packed_once_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[tuple[str, bytes]] = []
    pack = packing._packed_file

    def counted(name: str, magic: bytes) -> tuple[packing.Entry, list[str]]:
        packed.append((name, magic))
        return pack(name, magic)

    monkeypatch.setattr(packing, "_packed_file", counted)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(bootstrap.archive, magic) for magic in OTHERS * 2]
        waiting += [pool.submit(bootstrap.core) for _ in range(2)]
        waiting += [pool.submit(bootstrap.part, bootstrap.missing(name, set())) for name in ("copy", "file") * 2]
        frames = [each.result() for each in waiting]
    assert len(packed) == len(set(packed))
    assert {magic for _, magic in packed} == {*OTHERS, importlib.util.MAGIC_NUMBER}
    assert frames[:2] == frames[2:4] and frames[4] == frames[5] and frames[6:8] == frames[8:]
    assert len({len(frame) for frame in frames[:2]}) == 1
