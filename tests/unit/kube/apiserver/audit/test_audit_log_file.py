"""The audit log's file: lines, renaming, old parts."""

from __future__ import annotations

import asyncio
import gzip
import stat
from pathlib import Path
from typing import Any

from kprov.kube.apiserver.audit import log_file
from kprov.kube.apiserver.audit.log_file import LogFile


def opened(path: Path, **options: Any) -> LogFile:
    return LogFile(
        str(path), **{"max_size": 1, "max_backups": 2, "max_age": 0, "compress": False, "waits": True, **options}
    )


async def test_lines_are_appended_for_root_only(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "audit.log"
    for word in (b"a\n", b"b\n"):
        log = opened(path)
        assert await log.append(word)
        log.close()
    assert path.read_bytes() == b"a\nb\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_grown_file_is_renamed_and_the_oldest_parts_go(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = opened(path)
    line = b"x" * (600 << 10) + b"\n"
    for _ in range(5):
        await log.append(line)
    log.close()
    assert path.read_bytes() == line
    assert len(list(tmp_path.glob("audit-*.log"))) == 2  # noqa: ASYNC240


async def test_old_parts_are_compressed(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = opened(path, compress=True)
    for _ in range(2):
        await log.append(b"x" * (900 << 10))
    log.close()
    (part,) = tmp_path.glob("audit-*.log.gz")  # noqa: ASYNC240
    assert len(gzip.decompress(part.read_bytes())) == 900 << 10
    assert stat.S_IMODE(part.stat().st_mode) == 0o600


async def test_a_disk_that_is_full_is_told_and_survived(tmp_path: Path, caplog: Any) -> None:
    log = opened(Path("/dev/full"))
    assert not await log.append(b"a\n")
    assert not await log.append(b"a\n")
    log.close()
    assert caplog.text.count("No space left on device") == 1


async def test_lines_that_nobody_waits_for_are_written_in_order(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = opened(path, waits=False)
    lines = [b"%d\n" % number for number in range(500)]
    for number, line in enumerate(lines):
        assert await log.append(line)
        if number % 100 == 0:
            await asyncio.sleep(0)
    async with asyncio.timeout(60):
        while not path.read_bytes().endswith(lines[-1]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert path.read_bytes() == b"".join(lines)
    await log.append(b"last\n")
    log.close()  # writes what waits
    assert path.read_bytes() == b"".join(lines) + b"last\n"
    assert not await log.append(b"too late\n")
    await asyncio.sleep(0.05)  # whoever was to hand it over finds it closed
    assert path.read_bytes().endswith(b"last\n")


async def test_lines_that_nobody_waits_for_fill_one_file_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = opened(path, waits=False, max_backups=0)
    line = b"x" * (400 << 10) + b"\n"
    for _ in range(5):
        await log.append(line)
    log.close()
    assert path.read_bytes() == line
    parts = sorted(tmp_path.glob("audit-*.log"))  # noqa: ASYNC240
    assert [len(part.read_bytes()) for part in parts] == [2 * len(line)] * 2


async def test_a_disk_that_hangs_does_not_fill_the_memory(tmp_path: Path, caplog: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(log_file, "_MOST_WAITING", 100)
    log = opened(tmp_path / "audit.log", waits=False)
    for _ in range(30):
        assert await log.append(b"123456789\n")
    log.close()
    assert (tmp_path / "audit.log").stat().st_size == 100
    assert caplog.text.count("some are left out") == 1
