"""A browser draws the report from disk, at the width of a desk and of a telephone, and prints it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from kprov.cli.report.choice import reported_runs
from kprov.cli.report.page import page

BEGAN = 1767261600.0
HOSTS = ["control-plane-with-a-long-name-1", "cp2", "cp3", "w1", "w2"]
# What the page says of itself once it is drawn.
ASKED = """<script>
const root = document.documentElement;
const cut = [...document.querySelectorAll("h1, h2, .card, .phase > span, .check")].filter(each =>
  each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== "inline");
parent.document.documentElement.dataset.seen = JSON.stringify({
  wider: root.scrollWidth - innerWidth, width: innerWidth, cut: cut.map(each => each.textContent.slice(0, 60)),
  fetched: performance.getEntriesByType("resource").length, height: root.scrollHeight,
  bars: [...document.querySelectorAll("svg rect")].filter(each => each.getBoundingClientRect().width > 0.2).length,
});
</script>"""


def journal() -> list[dict[str, Any]]:
    """A run with long names, long diffs, a drill and a failure."""
    machines = [
        {
            "host": host,
            "address": f"192.0.2.{number}",
            "groups": ["node"] if host[0] == "w" else ["control_plane", "etcd"],
        }
        for number, host in enumerate(HOSTS, start=11)
    ]
    records: list[dict[str, Any]] = [
        {"event": "run_started", "command": "kprov upgrade", "by": "me@here", "pid": 7, "kprov": "1.2.3"},
        {"event": "cluster", "name": "production", "api": "192.0.2.100:7443", "virtual_address": True,
         "pod_network": "10.244.0.0/16", "service_network": "10.96.0.0/16", "machines": machines},
        {"event": "connecting", "hosts": HOSTS},
    ]  # fmt: skip
    diff = "--- before\n+++ after\n" + "\n".join(f"+{'a long line of a configuration file ' * 8}{n}" for n in range(30))
    for title in ("Configure etcd", "Start the kubelets and whatever else has a title that is rather long"):
        records.append({"event": "phase_started", "title": title, "hosts": HOSTS})
        for number, host in enumerate(HOSTS):
            about = {"host": host, "number": number, "role": "kubelet", "task": "Configuration"}
            failed = host == "w2" and title.startswith("Start")
            end = {
                "status": "failed" if failed else "changed",
                "message": "/a/path/without/blanks" * 9 if failed else "",
            }
            records += [{"event": "sent", **about}, {"event": "task", **about, **end, "seconds": 0.5, "diff": diff}]
        records.append({"event": "phase_finished", "title": title, "seconds": 6, "failed": []})
    figures = {
        "drill": "power-cut", "write_gap_seconds": 2.2, "heal_seconds": 12.5, "writes": 400, "writes_failed": 3,
        "timeline": {"writes": [[9, 0]] * 60 + [[0, 3]] * 3, "calls": [[5, 0]] * 63},
    }  # fmt: skip
    check = {"group": "drill", "name": f"power-cut on {HOSTS[0]}", "passed": False, "seconds": 63, "message": "no"}
    records.append({"event": "check", **check, "figures": figures})
    records.append({"event": "run_finished", "outcome": "failed", "error": "w2 did not get through it", "hosts": {}})
    return [{"time": BEGAN + number, **record} for number, record in enumerate(records)]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    folder = tmp_path / "runs/20260101T100000.000-aaaaaa"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text("\n".join(map(json.dumps, journal())) + "\n")
    found = tmp_path / "report.html"
    found.write_text(page(reported_runs(tmp_path, "last")))
    return found


@pytest.fixture
def chromium(tmp_path: Path) -> Callable[..., str]:
    program = shutil.which("chromium")
    assert program, "chromium is missing: `./dev test integration` installs it"

    def run(*words: str) -> str:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-breakpad", "--no-first-run"]
        done = subprocess.run(
            [program, *options, f"--user-data-dir={tmp_path / 'profile'}", *words],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_cut_off_and_nothing_is_fetched(
    report: Path, chromium: Callable[..., str], width: int, tmp_path: Path
) -> None:
    # Chromium's windows are 500 wide at least, frames in them as wide as one likes.
    inside = escape(report.read_text().replace("</body>", f"{ASKED}</body>"))
    frame = tmp_path / "frame.html"
    frame.write_text(f'<iframe style="width: {width}px; height: 2000px; border: 0" srcdoc="{inside}"></iframe>')
    drawn = chromium("--window-size=1400,2000", "--dump-dom", frame.as_uri())
    found = re.search(r'data-seen="([^"]*)"', drawn)
    assert found, drawn[-500:]
    seen = json.loads(unescape(found[1]))
    assert seen["width"] == width
    assert seen["wider"] <= 0, "the page is wider than its window"
    assert seen["cut"] == [] and seen["fetched"] == 0, seen
    assert seen["bars"] > 60 and seen["height"] > 1500, seen


def test_it_prints(report: Path, chromium: Callable[..., str], tmp_path: Path) -> None:
    chromium(f"--print-to-pdf={tmp_path / 'report.pdf'}", "--no-pdf-header-footer", report.as_uri())
    printed = (tmp_path / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", printed)) >= 2
