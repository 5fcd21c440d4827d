"""Files that the kubelet writes and reads: volumes' content, logs, control groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kprov.kube.api import clock
from kprov.kube.kubelet.logs.reader import LogOptions, read_log, tail, tail_offset
from kprov.kube.kubelet.pods.cgroups import Cgroups
from kprov.kube.kubelet.volumes.atomic_writer import FileContent, UnsafePathError, write_payload
from kprov.kube.kubelet.volumes.host_path import prepare_host_path
from kprov.kube.kubelet.volumes.sources import ContentSources, TokenCache, VolumeError

FIRST = b"2026-01-01T00:00:00.000000001Z stdout F one\n"
PARTS = b"2026-01-01T00:00:01.5Z stdout P two-\n2026-01-01T00:00:01.6Z stdout F parts\n"
LAST = b"2026-01-01T00:00:02Z stderr F three\n"


def test_payloads_change_all_at_once(tmp_path: Path) -> None:
    old = {"a": FileContent(b"1", 0o644), "dir/b": FileContent(b"2", 0o600)}
    assert write_payload(tmp_path, old)
    assert (tmp_path / "a").read_bytes() == b"1"
    assert str((tmp_path / "dir").readlink()) == "..data/dir"
    assert (tmp_path / "dir/b").stat().st_mode & 0o777 == 0o600
    before = str((tmp_path / "..data").readlink())
    assert not write_payload(tmp_path, old)
    assert str((tmp_path / "..data").readlink()) == before
    assert write_payload(tmp_path, {"c": FileContent(b"3", 0o644)})
    visible = sorted(each.name for each in tmp_path.iterdir() if not each.name.startswith(".."))
    assert visible == ["c"]
    assert len([each for each in tmp_path.iterdir() if each.name.startswith("..2")]) == 1


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "..data", ""])
def test_payloads_stay_in_their_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(UnsafePathError):
        write_payload(tmp_path, {path: FileContent(b"", 0o644)})


async def collect(path: Path, **options: Any) -> bytes:
    out = bytearray()

    async def write(data: bytes) -> None:
        out.extend(data)

    async def ended() -> bool:
        return True

    await read_log(path, LogOptions(**options), write, ended)
    return bytes(out)


async def test_logs(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(FIRST + PARTS + LAST)
    assert await collect(path) == b"one\ntwo-parts\nthree\n"
    assert await collect(path, tail=2) == b"two-parts\nthree\n"
    assert await collect(path, tail=0) == b""
    assert await collect(path, tail=99) == b"one\ntwo-parts\nthree\n"
    assert await collect(path, limit=5) == b"one\nt"
    assert await collect(path, since="2026-01-01T00:00:01.6Z") == b"parts\nthree\n"
    assert await collect(path, timestamps=True, tail=1) == b"2026-01-01T00:00:02Z three\n"
    assert (
        await collect(path, timestamps=True, tail=2)
        == b"2026-01-01T00:00:01.5Z two-parts\n2026-01-01T00:00:02Z three\n"
    )
    assert await collect(path, follow=True) == b"one\ntwo-parts\nthree\n"
    assert tail(path, 1) == b"three\n"


def test_tail_of_a_long_log(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    lines = [b"2026-01-01T00:00:00Z stdout F " + str(number).encode() * 50 + b"\n" for number in range(5000)]
    path.write_bytes(b"".join(lines))
    for count in (1, 7, 1000, 4999):
        assert path.read_bytes()[tail_offset(path, count) :] == b"".join(lines[-count:])
    assert tail_offset(path, 5000) == 0


def test_host_paths_are_checked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert prepare_host_path(str(tmp_path / "new"), "DirectoryOrCreate").is_dir()
    assert prepare_host_path(str(tmp_path / "missing"), "") == tmp_path / "missing"
    with pytest.raises(VolumeError, match="is not a directory"):
        prepare_host_path(str(tmp_path / "file"), "Directory")


async def test_sources() -> None:
    async def lookup(kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        return {"data": {"a": "1"}, "binaryData": {"b": "AAE="}} if name == "cm" else None

    async def request(pod: dict[str, Any], audience: str, seconds: int) -> tuple[str, float]:
        return f"token-for-{audience}", 2e9

    sources = ContentSources(lookup, TokenCache(request), dict)
    pod = {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {"containers": [{"name": "c", "securityContext": {"runAsUser": 7}}]},
    }
    files, until = await sources.payload(pod, {"name": "v", "configMap": {"name": "cm", "defaultMode": 0o400}})
    assert {path: content.data for path, content in files.items()} == {"a": b"1", "b": b"\x00\x01"}
    assert until is None
    assert files["a"].mode == 0o400
    projected = {
        "sources": [
            {"serviceAccountToken": {"path": "token", "audience": "x"}},
            {"configMap": {"name": "cm", "items": [{"key": "a", "path": "deep/a"}]}},
            {"configMap": {"name": "none", "optional": True}},
            {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        ]
    }
    files, until = await sources.payload(pod, {"name": "v", "projected": projected})
    assert set(files) == {"token", "deep/a", "name"}
    assert (files["token"].data, files["token"].user, files["token"].mode) == (b"token-for-x", 7, 0o600)
    assert until is not None
    with pytest.raises(VolumeError, match='configmap "none" not found'):
        await sources.payload(pod, {"name": "v", "configMap": {"name": "none"}})


def test_control_groups_of_version_one(tmp_path: Path) -> None:
    for controller in ("cpu", "memory", "pids", "freezer"):
        (tmp_path / controller).mkdir()
    groups = Cgroups("cgroupfs", "", root=tmp_path)
    limits = {"cpu": "500m", "memory": "64Mi"}
    pod = {
        "metadata": {"uid": "u-1"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "250m"}, "limits": limits}}]},
    }
    assert groups.parent(pod) == "/kubepods/burstable/podu-1"
    groups.prepare(pod)
    assert (tmp_path / "cpu/kubepods/burstable/podu-1/cpu.shares").read_text() == "256"
    assert (tmp_path / "cpu/kubepods/burstable/podu-1/cpu.cfs_quota_us").read_text() == "50000"
    assert (tmp_path / "memory/kubepods/burstable/podu-1/memory.limit_in_bytes").read_text() == str(64 * 2**20)
    assert groups.pods() == {"u-1"}
    assert Cgroups("systemd", "", root=tmp_path).parent(pod) == "kubepods-burstable-podu_1.slice"


@pytest.mark.parametrize("jump", [86400.0, -86400.0])
async def test_tokens_are_renewed_in_time_whatever_the_machines_time_does(
    monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    moment, given = [100.0], list[str]()
    monkeypatch.setattr(clock, "steady", lambda: moment[0])
    monkeypatch.setattr(clock, "seconds", lambda: 1_800_000_000.0 + jump * len(given))

    async def request(pod: dict[str, Any], audience: str, seconds: int) -> tuple[str, float]:
        given.append(f"token {len(given)}")
        return given[-1], float(seconds)

    cache, pod = TokenCache(request), {"metadata": {"uid": "u"}}
    assert await cache.token(pod, "", 3600) == ("token 0", 100 + 0.8 * 3600)
    moment[0] += 2800
    assert (await cache.token(pod, "", 3600))[0] == "token 0"
    moment[0] += 100
    assert (await cache.token(pod, "", 3600))[0] == "token 1"
