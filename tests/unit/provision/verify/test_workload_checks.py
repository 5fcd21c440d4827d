"""The pod that asks for a Service: it asks again where it was refused, says so, and gives up in the end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kprov.provision.verify import workload


@pytest.mark.parametrize(("refusals", "code", "again"), [(0, 0, 0), (2, 0, 2), (9, 1, 2)])
def test_a_pod_asks_again(tmp_path: Path, refusals: int, code: int, again: int) -> None:
    (tmp_path / "left").write_text(str(refusals))
    wget = (
        f"left=$(cat {tmp_path}/left); [ $left = 0 ] && echo hello || {{ echo $((left-1)) > {tmp_path}/left; false; }}"
    )
    for name, text in {"wget": wget, "sleep": "true"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    command = workload.asking_pod("cluster.local", "space")["spec"]["containers"][0]["command"]
    done = subprocess.run(
        command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.count(workload._AGAIN)) == (code, again), done
    assert done.stdout.count("hello") == (0 if code else 3)
