"""`kprov report`: a page from a journal, which stands alone, tells what matters and shows nothing that it must not."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import html5lib
import pytest

from kprov.cli.report import alike
from kprov.cli.report.checks import checks, drills
from kprov.cli.report.choice import reported_runs
from kprov.cli.report.page import page, write_page
from kprov.cli.report.timeline import timeline
from kprov.cli.report.writing import reported
from kprov.provision.engine.journal import Journal
from kprov.provision.engine.journal_reader import read_run
from kprov.provision.engine.secrets import Secrets

UP, VERIFY = "20260101T100000.000-aaaaaa", "20260101T100100.000-bbbbbb"
_SPACE = "{http://www.w3.org/1999/xhtml}"
_NASTY = "<script>alert('x')</script> & \"quotes\""


def write(state: Path, name: str, *records: dict[str, Any]) -> Path:
    folder = state / "runs" / name
    folder.mkdir(parents=True)
    lines = [json.dumps({"time": 1767261600.0 + number, **record}) for number, record in enumerate(records)]
    (folder / "journal.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def begin(command: str, **more: Any) -> dict[str, Any]:
    return {"event": "run_started", "command": command, "by": "me@here", "pid": 7, "kprov": "1.2.3", **more}


MACHINES = {
    "event": "cluster",
    "name": "demo",
    "api": "192.0.2.100:7443",
    "virtual_address": True,
    "pod_network": "10.244.0.0/16",
    "service_network": "10.96.0.0/16",
    "machines": [
        {"host": "cp1", "address": "192.0.2.11", "groups": ["control_plane", "etcd"]},
        {"host": "w1", "address": "192.0.2.21", "groups": ["node"]},
        {"host": "w2", "address": "192.0.2.22", "groups": ["node"]},
    ],
}


def task(host: str, name: str, status: str, number: int, **more: Any) -> Iterator[dict[str, Any]]:
    about = {"host": host, "number": number, "role": "kubelet", "task": name}
    yield {"event": "sent", **about}
    yield {"event": "task", **about, "status": status, "message": "", "seconds": 0.5, "where": None, **more}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A run of `kprov up` that changed files, and the verification that it ended with."""
    write(
        tmp_path,
        UP,
        begin("kprov up"),
        MACHINES,
        {"event": "releases", "daemons": ["0.1.0+abc"]},
        {"event": "connecting", "hosts": ["cp1", "w1"]},
        {"event": "machine", "host": "cp1", "system": "Debian 12.15", "kernel": "6.1.0", "memory_mb": 2048},
        {"event": "phase_started", "title": "Start the kubelets", "hosts": ["cp1", "w1"]},
        *task("cp1", "Configuration", "changed", 1, diff=f"--- before\n+++ after\n-old\n+{_NASTY}"),
        *task("w1", "Configuration", "ok", 1),
        *task("w1", _NASTY, "skipped", 2),
        {"event": "phase_finished", "title": "Start the kubelets", "seconds": 6, "failed": []},
        {
            "event": "run_finished",
            "outcome": "ok",
            "error": None,
            "hosts": {"cp1": {"ok": 0, "changed": 1, "failed": 0}, "w1": {"ok": 1, "changed": 0, "failed": 0}},
        },
    )
    drill = {
        "drill": "power-cut",
        "write_gap_seconds": 1.25,
        "heal_seconds": 12.5,
        "elections": {"etcd": 1},
        "timeline": {"writes": [[10, 0], [0, 4], [9, 1]], "calls": [[5, 0], [5, 0], [5, 0]]},
    }
    ends = {"apiserver": 300, "etcd-server": 5, "gone": None}
    write(
        tmp_path,
        VERIFY,
        begin("kprov verify"),
        MACHINES,
        {"event": "connecting", "hosts": ["cp1", "w1"]},
        {
            "event": "check",
            "group": "drill",
            "name": "power-cut on cp1",
            "passed": True,
            "seconds": 30,
            "figures": drill,
        },
        {
            "event": "check",
            "group": "certificates",
            "name": "All certificates of cp1 fit and last",
            "passed": False,
            "message": _NASTY,
            "seconds": 0.1,
            "figures": {"days_left": ends},
        },
        {"event": "run_finished", "outcome": "ok", "error": None, "hosts": {"cp1": {"ok": 3}, "w1": {"ok": 3}}},
    )
    return tmp_path


def parsed(text: str) -> ElementTree.Element:
    """The page as a browser reads it. Raises html5lib's ParseError where it is not HTML by the standard."""
    root: ElementTree.Element = html5lib.HTMLParser(strict=True).parse(text)
    return root


def words(root: ElementTree.Element) -> str:
    return " ".join(" ".join(root.find(f"{_SPACE}body").itertext()).split())  # type: ignore[union-attr]


def test_the_page_tells_the_run_and_its_verification(state: Path) -> None:
    runs = reported_runs(state, "last")
    assert [run.id for run in runs] == [UP, VERIFY]
    assert [run.id for run in reported_runs(state, UP)] == [UP, VERIFY]
    text = words(parsed(page(runs)))
    for expected in (
        "demo failed",  # a check did not hold
        "1 of 2 checks held",
        "Start the kubelets 1 changed",
        "API 192.0.2.100:7443",
        "virtual address",
        "192.0.2.22",
        "Debian 12.15",
        "2.0 GiB",
        "daemons 0.1.0+abc",
        "write gap seconds 1.25 · heal seconds 12.5 · elections etcd 1",
        "writes 19, 5 failed",
        "cp1 etcd-server 5",
        "cp1 apiserver 300",
    ):
        assert expected in text, expected
    assert text.index("etcd-server 5") < text.index("apiserver 300")  # what ends first comes first


def test_machines_come_in_the_order_of_the_run(tmp_path: Path) -> None:
    groups = ["machines", "machine w1", "machine cp1", "machine w1", "etcd"]
    records = [
        {"event": "check", "group": group, "name": "it holds", "passed": True, "seconds": 0.1} for group in groups
    ]
    connecting = {"event": "connecting", "hosts": ["cp1", "w1"]}
    run = read_run(write(tmp_path, VERIFY, begin("kprov verify"), connecting, *records))
    assert [(group, len(held)) for group, held in checks([run]).items()] == [
        ("machines", 1),
        ("machine cp1", 1),
        ("machine w1", 2),
        ("etcd", 1),
    ]


def test_the_page_stands_alone_and_runs_nothing(state: Path) -> None:
    root = parsed(page(reported_runs(state, UP)))
    for element in root.iter():
        assert element.tag not in {f"{_SPACE}{name}" for name in ("script", "link", "iframe", "img", "object", "base")}
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (element.tag, name)
            assert name not in ("src", "href", "srcset", "action"), (element.tag, name)
            assert "url(" not in value
    style = "".join(each.text or "" for each in root.iter(f"{_SPACE}style"))
    assert not re.search(r"url\(|@import|expression", style)
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_what_machines_say_stays_text(state: Path) -> None:
    text = page(reported_runs(state, UP))
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 2  # in the diff, and in the message of a check
    assert f"+{_NASTY}" in words(parsed(text))


def test_bars_lie_within_the_chart(state: Path) -> None:
    root = parsed(page(reported_runs(state, UP)))
    svg = "{http://www.w3.org/2000/svg}"
    charts = [each for each in root.iter(f"{svg}svg") if each.get("preserveAspectRatio") == "none"]
    assert len(charts) == 3  # a phase, and the two lanes of a drill
    for chart in charts:
        _, _, width, height = map(float, chart.attrib["viewBox"].split())
        for rect in chart.iter(f"{svg}rect"):
            x, y, wide, high = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            assert x >= 0 and y >= 0 and wide > 0 and high > 0
            assert x + wide <= width + 0.01 and y + high <= height + 0.01


def test_a_run_that_died_says_what_was_in_flight(tmp_path: Path) -> None:
    sent = {"event": "sent", "host": "cp1", "number": 1, "role": "etcd", "task": "Start etcd"}
    write(tmp_path, UP, begin("kprov up"), {"event": "phase_started", "title": "Form etcd", "hosts": ["cp1"]}, sent)
    text = words(parsed(page(reported_runs(tmp_path, "last"))))
    assert "died" in text
    assert "Start etcd was sent and not answered" in text
    assert "did not end" in text


@pytest.mark.parametrize("content", ["", "{", '{"event": "cluster", "machines": 7}\n{"event":"check","figures":[]}\n'])
def test_a_journal_that_is_broken_gives_a_page_all_the_same(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "runs" / UP
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text(content)
    parsed(page([read_run(folder)]))


def test_secrets_stay_masked(tmp_path: Path) -> None:
    masks = Secrets()
    masks.add("hush-hush-hush")
    journal = Journal(tmp_path / "runs" / UP, masks)
    journal.write("run_started", command="kprov up", pid=7)
    journal.write("phase_started", title="A", hosts=["cp1"])
    journal.write("task", host="cp1", role="r", task="t", status="changed", message="", diff="+key: hush-hush-hush")
    journal.write("check", group="g", name="n", passed=False, message="hush-hush-hush", figures={"x": "hush-hush-hush"})
    journal.close(outcome="ok", error=None, hosts={})
    assert "hush" not in page([read_run(tmp_path / "runs" / UP)])


def test_it_is_written_whole_and_for_nobody_else(state: Path) -> None:
    path = write_page(reported_runs(state, UP))
    assert path == state / "runs" / UP / "report.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_page(reported_runs(state, UP))
    assert sorted(each.name for each in path.parent.iterdir()) == ["journal.jsonl", "report.html"]


def test_the_verb_writes_where_it_is_told_and_says_where(state: Path, kprov: Callable[..., Any]) -> None:
    target = state / "here.html"
    done = kprov("report", "--state-directory", state, "-o", target)
    assert (done.code, done.out.strip()) == (0, str(target))
    parsed(target.read_text())
    assert kprov("report", "nothing", "--state-directory", state).code == 2
    assert kprov("report", "--state-directory", state / "empty").code == 2


def test_a_command_ends_with_its_report_also_when_it_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with reported(tmp_path):
            journal = Journal(tmp_path / "runs" / UP, Secrets())
            journal.write("run_started", command="kprov up", pid=os.getpid(), by="me@here")
            journal.close(outcome="failed", error="RuntimeError: broken", hosts={})
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    path = tmp_path / "runs" / UP / "report.html"
    assert capsys.readouterr().out == f"report: {path}\n"
    assert "RuntimeError: broken" in words(parsed(path.read_text()))


def test_a_report_that_cant_be_written_spoils_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with reported(tmp_path):
        journal = Journal(tmp_path / "runs" / UP, Secrets())
        journal.write("run_started", command="kprov up", pid=os.getpid())
        journal.close(outcome="ok", error=None, hosts={})
        (tmp_path / "runs" / UP / "report.html").mkdir()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the report was not written" in captured.err


def test_what_was_broken_is_one_table(state: Path) -> None:
    (drill,) = drills(reported_runs(state, VERIFY))
    assert (drill.name, drill.passed, drill.write_gap, drill.read_gap) == ("power-cut on cp1", True, "1.25 s", "")
    assert (drill.healed, drill.repeated, drill.failed) == ("12.50 s", 0, 0)


def test_a_verification_alone_has_no_empty_lists_of_changes(tmp_path: Path) -> None:
    end = {"event": "run_finished", "outcome": "ok", "error": None, "hosts": {}}
    check = {"event": "check", "group": "etcd", "name": "etcd has a leader", "passed": True, "seconds": 0.1}
    write(tmp_path, VERIFY, begin("kprov verify"), MACHINES, check, end)
    text = words(parsed(page(reported_runs(tmp_path, "last"))))
    assert "etcd has a leader" in text and "1 of 1 checks held" in text
    assert "What changed" not in text and "as they should be" not in text and "Timeline" not in text


def many(state: Path, machines: int, diff: Callable[[str], str], status: str = "changed", tasks: int = 3) -> str:
    """The page of a run that did the same on many machines."""
    hosts = [f"web{number:03}" for number in range(machines)]
    known = [{"host": host, "address": "192.0.2.9", "groups": ["node"]} for host in hosts]
    records = [begin("kprov run site.yml"), {**MACHINES, "machines": known}, {"event": "connecting", "hosts": hosts}]
    for phase in ("One", "Two"):
        records.append({"event": "phase_started", "title": phase, "hosts": hosts})
        for number in range(tasks):
            for host in hosts:
                records += task(host, f"Task {number}", status, number, diff=diff(host), message="no such package")
        records.append({"event": "phase_finished", "title": phase, "seconds": 6, "failed": []})
    records.append({"event": "run_finished", "outcome": "ok", "error": None, "hosts": {}})
    write(state, UP, *records)
    return page(reported_runs(state, UP))


def test_what_machines_did_alike_is_told_once(tmp_path: Path) -> None:
    text = many(tmp_path, 300, lambda host: "--- a\n+++ b\n+the same")
    assert text.count("the same</span>") == 6
    told = words(parsed(text))
    names = ", ".join(f"web{number:03}" for number in range(10))
    assert f"{names} and 290 more · kubelet: Task 0" in told
    assert "all 300 machines" in told
    assert "30 of 300, the others are in the table" in told
    assert "10 to a line" in told
    assert len(re.findall(r'<rect class="bar-changed"', text)) == 2 * 30
    assert len(text) < 200_000


def test_failures_alike_are_told_once(tmp_path: Path) -> None:
    text = many(tmp_path, 13, lambda host: "", status="failed")
    assert text.count('<div class="trouble">') == 6
    assert "web009 and 3 more · One · kubelet: Task 0 no such package" in words(parsed(text))


def test_a_page_is_never_too_large_for_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "MOST_TASKS", 20)
    monkeypatch.setattr(alike, "MOST_DIFFS", 60_000)
    text = many(tmp_path, 10, lambda host: f"--- a\n+++ b\n+{host} {'x' * 5_000}\n" + f"+{host}\n" * 500)
    assert "x" * 1001 not in text
    assert "... and 4008 more letters" in text
    assert "... and 103 more lines: the journal has them" in text
    assert text.count("this page is full: the journal has the diff") == 14
    assert "and 40 more: the journal has them" in words(parsed(text))


def test_columns_of_which_nothing_is_known_are_left_out(tmp_path: Path) -> None:
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", many(tmp_path, 2, lambda host: ""))
    assert heads == ["machine", "address", "groups", "ok", "changed", "failed"]


def test_of_many_phases_those_that_did_nothing_share_a_row(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = [begin("kprov upgrade"), {"event": "connecting", "hosts": ["w1"]}]
    number = 0
    for _ in range(5):
        for phase in range(10):
            records.append({"event": "phase_started", "title": f"Phase {phase}", "hosts": ["w1"]})
            number += 1
            records += task("w1", "Task", "changed" if phase == 4 else "ok", number)
            records.append({"event": "phase_finished", "title": f"Phase {phase}", "seconds": 0.1, "failed": []})
    records.append({"event": "run_finished", "outcome": "ok", "error": None, "hosts": {}})
    write(tmp_path, UP, *records)
    drawn = timeline(reported_runs(tmp_path, UP))
    assert drawn is not None
    titles = [row.title for row in drawn.rows]
    assert titles[:3] == [
        "Phase 0 ... Phase 3: 4 phases, nothing to do",
        "Phase 4",
        "Phase 5 ... Phase 3: 9 phases, nothing to do",
    ]
    assert len(titles) == 11
    assert all(row.left >= 0 and row.left + row.width <= 100.001 and len(row.bars) == 1 for row in drawn.rows)
