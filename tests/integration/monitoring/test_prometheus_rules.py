"""Prometheus' own tool reads the rules and the configuration of docs/monitoring, and runs the rules' tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs" / "monitoring"


def promtool(*arguments: object) -> str:
    program = shutil.which("promtool") or shutil.which("promtool", path=Path(sys.executable).parent)
    assert program, "promtool is missing: `./dev test integration` fetches it, or install Debian's package prometheus"
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", FOLDER / "rules.yaml"),
        ("test", "rules", FOLDER / "rules-test.yaml"),
        ("check", "config", "--syntax-only", FOLDER / "prometheus.yaml"),
    ],
)
def test_prometheus_takes_what_docs_give(command: tuple[object, ...]) -> None:
    assert "SUCCESS" in promtool(*command)
