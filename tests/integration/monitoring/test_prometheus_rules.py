"""Prometheus' own tool reads the rules and the configuration of docs/monitoring, and runs the rules' tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


def test_prometheus_understands_every_question_of_the_dashboard(tmp_path: Path) -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    # Grafana puts in how far apart two scrapes are.
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "5m")}
        for number, expr in enumerate(asked)
    ]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"SUCCESS: {len(asked)} rules found" in promtool("check", "rules", tmp_path / "panels.yaml")
    assert len(asked) > 30
