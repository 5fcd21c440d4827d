"""Volumes as containers see them, and logs that grow."""

# ruff: noqa: ASYNC240 - tests look at local files
from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import IMAGE, Machine
from fake_api import FakeApi

Object = dict[str, Any]


async def run_to_the_end(
    api: FakeApi, name: str, script: str, mounts: list[Object], volumes: list[Object], **spec: Any
) -> str:
    """Run a script in a pod and return what it left as its termination message."""
    container = {"name": "c", "image": IMAGE, "command": ["sh", "-c", script], "volumeMounts": mounts}
    api.pod(name, {"restartPolicy": "Never", "containers": [container], "volumes": volumes, **spec})

    def ended() -> Object | None:
        status = (api.get_pod(name) or {}).get("status", {})
        if status.get("phase") not in ("Succeeded", "Failed"):
            return None
        return dict(status["containerStatuses"][0]["state"]["terminated"])

    found = await api.until(ended, f"the end of {name}")
    assert found["exitCode"] == 0, found
    return str(found.get("message", ""))


async def test_projected_tokens_and_downward_api(api: FakeApi, machine: Machine) -> None:
    where = "/api/v1/namespaces/default"
    api.create(f"{where}/configmaps", {"metadata": {"name": "ca"}, "data": {"ca.crt": "CA"}})
    api.create(f"{where}/secrets", {"metadata": {"name": "s"}, "data": {"key": "c2VjcmV0"}})
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    message = await run_to_the_end(
        api,
        "projected",
        "(cut -c1-5 /p/token; cat /p/ca.crt /p/ns; echo; cat /s/key; stat -c %a /s/..data/key; touch /p/x 2>&1)"
        " > /dev/termination-log; true",
        [{"name": "p", "mountPath": "/p", "readOnly": True}, {"name": "s", "mountPath": "/s"}],
        [
            {"name": "p", "projected": {"sources": sources}},
            {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
        ],
    )
    assert message.startswith("token\nCAdefault\nsecret400\n")
    assert "Read-only file system" in message


async def test_subpaths_groups_and_memory(api: FakeApi, machine: Machine) -> None:
    message = await run_to_the_end(
        api,
        "paths",
        "(echo x > /deep/file; cat /all/sub/dir/file; stat -c '%g %a' /all; id -G; grep -c ' /mem tmpfs' /proc/mounts;"
        " df -m /mem | tail -1 | awk '{print $2}') > /dev/termination-log",
        [
            {"name": "all", "mountPath": "/all"},
            {"name": "all", "mountPath": "/deep", "subPath": "sub/dir"},
            {"name": "mem", "mountPath": "/mem"},
        ],
        [{"name": "all", "emptyDir": {}}, {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}],
        securityContext={"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000},
    )
    assert message.split("\n")[:5] == ["x", "2000 2777", "1000 2000", "1", "8"]


async def test_a_subpath_cannot_lead_out(api: FakeApi, machine: Machine) -> None:
    shared = machine.folder / "shared"
    shared.mkdir()
    (shared / "out").symlink_to("/etc")
    mount = {"name": "v", "mountPath": "/v", "subPath": "out"}
    container = {"name": "c", "image": IMAGE, "command": ["true"], "volumeMounts": [mount]}
    volumes = [{"name": "v", "hostPath": {"path": str(shared)}}]
    api.pod("escape", {"containers": [container], "volumes": volumes})

    def waiting() -> str:
        statuses = (api.get_pod("escape") or {})["status"].get("containerStatuses") or [{}]
        return str(statuses[0].get("state", {}).get("waiting", {}).get("message", ""))

    await api.until(lambda: "leads out of the volume" in waiting(), "the refusal")


async def test_mounts_and_folders_are_gone_afterwards(api: FakeApi, machine: Machine) -> None:
    await run_to_the_end(
        api,
        "gone",
        "true",
        [{"name": "m", "mountPath": "/m", "subPath": "a"}],
        [{"name": "m", "emptyDir": {"medium": "Memory"}}],
    )
    uid = (api.get_pod("gone") or {})["metadata"]["uid"]
    await api.until(lambda: not (machine.root / "pods" / uid).exists(), "the folders to be gone")
    mounts = Path(f"/proc/{machine.runtime.holder}/mounts")
    await api.until(lambda: uid not in mounts.read_text(), "the mounts to be gone")
    groups = Path("/sys/fs/cgroup")
    await api.until(
        lambda: not list(groups.glob(f"*/kprov-test-*/kubepods/*/pod{uid}")), "the control groups to be gone"
    )


async def test_logs_are_turned_over(api: FakeApi, machine: Machine) -> None:
    machine.stop()
    machine.config |= {"containerLogMaxSize": "20Ki", "containerLogMaxFiles": 3}
    machine.start()
    line = "0123456789" * 4
    say = f"while true; do for i in 1 2 3 4 5 6 7 8 9 10; do echo $i-{line}; done; sleep 0.1; done"
    pod = api.pod(
        "talks",
        {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "c", "image": IMAGE, "command": ["sh", "-c", say]}],
        },
    )
    folder = Path(f"/var/log/pods/default_talks_{pod['metadata']['uid']}/c")
    await api.until(lambda: len(list(folder.glob("0.log.*"))) >= 1, "a log that was turned over")
    await api.until(lambda: (folder / "0.log").exists() and (folder / "0.log").stat().st_size > 0, "the new log")
    await api.until(lambda: list(folder.glob("0.log.*.gz")), "a compressed log")
    assert len(list(folder.iterdir())) <= 3
