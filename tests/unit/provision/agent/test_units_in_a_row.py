"""Several units are enabled one after the other: systemd reads its unit files anew once, at the end of the row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.transport import local
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target

# A systemd that knows only at its next reload what was enabled, as the real one with --no-reload. A unit that is called
# bad does not start; alias.service has another name, too.
SYSTEMCTL = """#!/bin/sh
cd {folder}
for last in "$@"; do :; done
case "$*" in
show*) unit=${{2%.service}}.service; test -e known/$unit && state=enabled || state=disabled
    test -e active/$unit && active=active || active=inactive
    printf 'Id=%s\\nLoadState=loaded\\nActiveState=%s\\nUnitFileState=%s\\nNeedDaemonReload=no\\n' $unit $active $state
    exit ;;
*enable*) shift 2; rc=0
    for name; do unit=${{name%.service}}.service; etc=/etc/systemd/system
        case $unit in missing*) echo "Unit file $unit does not exist." >&2; rc=1; break;; esac
        touch enabled/$unit
        echo "Created symlink $etc/multi-user.target.wants/$unit → $etc/$unit." >&2
        test $unit != alias.service || echo "Created symlink $etc/other.service → $etc/$unit." >&2
    done
    echo "enable --no-reload $*" >> calls; exit $rc ;;
daemon-reload) test ! -e full || {{ echo 'no space left in /run' >&2; echo "$*" >> calls; exit 1; }}
    cp enabled/* known/ 2>/dev/null ;;
start*) unit=${{last%.service}}.service; case $unit in bad*) echo failed >&2; echo "$*" >> calls; exit 1;; esac
    touch active/$unit ;;
esac
echo "$*" >> calls
"""

REMOVER = """#!/bin/sh
cd {folder}
shift 2
for link; do /bin/rm -f "enabled/${{link##*/}}" "known/${{link##*/}}"; done
echo "remove $*" | sed 's:/etc/systemd/system/::g' >> calls
"""

Post = Callable[..., int]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    for name in ("enabled", "known", "active", "bin"):
        (tmp_path / name).mkdir()
    program = tmp_path / "bin" / "systemctl"
    program.write_text(SYSTEMCTL.format(folder=tmp_path))
    program.chmod(0o755)
    (tmp_path / "bin" / "journalctl").symlink_to("/bin/true")
    remover = tmp_path / "bin" / "rm"
    remover.write_text(REMOVER.format(folder=tmp_path))
    remover.chmod(0o755)
    return tmp_path


@pytest.fixture
def link() -> Iterator[AgentLink]:
    found = local.connect(Target("here", "localhost", local=True, become=False))
    yield found
    found.close()


def row(link: AgentLink, machine: Path, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """Send all at once behind one that takes a moment: so all are there before the first of them is begun."""
    environment = {"PATH": f"{machine}/bin:/usr/bin:/bin"}
    go = machine / "go"
    wait = f"while [ ! -e {go} ]; do sleep 0.01; done; /bin/rm {go}"
    first = link.post("task", module="shell", arguments={"cmd": wait}, queue=1)
    numbers = [
        link.post(
            "task",
            module=given.pop("module", "systemd"),
            arguments=given,
            environment=environment,
            queue=1,
            check=given.pop("_check", False),
            diff=True,
        )
        for given in tasks
    ]
    go.touch()
    assert not link.wait(first, 20)["result"].get("failed")
    return [link.wait(number, 20)["result"] for number in numbers]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def calls(machine: Path) -> list[str]:
    path = machine / "calls"
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [call for call in found if not call.startswith("show")]


def unit(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "enabled": True, "state": "started", **more}


def test_one_reload_serves_all(link: AgentLink, machine: Path) -> None:
    answers = row(link, machine, unit("a"), unit("b"), unit("c.service"))
    assert [answer["changed"] for answer in answers] == [True] * 3
    assert [answer["status"]["UnitFileState"] for answer in answers] == ["disabled"] * 3
    assert calls(machine) == [
        "enable --no-reload a", "start a", "enable --no-reload b", "start b", "enable --no-reload c.service",
        "start c.service", "daemon-reload",
    ]  # fmt: skip
    assert not any(answer["changed"] for answer in row(link, machine, unit("a"), unit("b"), unit("c")))
    assert calls(machine) == []


def test_another_task_comes_after_it(link: AgentLink, machine: Path) -> None:
    row(link, machine, unit("a"), {"module": "command", "cmd": f"cp {machine}/calls {machine}/before"}, unit("b"))
    assert (machine / "before").read_text().split() == ["enable", "--no-reload", "a", "start", "a", "daemon-reload"]
    assert calls(machine)[-1] == "daemon-reload"


def test_a_unit_that_is_asked_about_again_is_known(link: AgentLink, machine: Path) -> None:
    answers = row(link, machine, unit("a"), unit("a.service"), {"name": "b", "state": "started"})
    assert [answer["changed"] for answer in answers] == [True, False, True]
    assert calls(machine) == ["enable --no-reload a", "start a", "daemon-reload", "start b"]


def test_a_reload_that_is_asked_for_serves_all_that_are_enabled(link: AgentLink, machine: Path) -> None:
    answers = row(link, machine, unit("a"), unit("b", daemon_reload=True), unit("c"), unit("d"))
    assert [answer["changed"] for answer in answers] == [True] * 4
    assert ["-enabled: disabled" in answer["diff"] for answer in answers] == [True] * 4
    assert calls(machine) == [
        "enable --no-reload a", "start a", "enable --no-reload b c d", "daemon-reload", "start b", "start c", "start d",
    ]  # fmt: skip
    assert not any(answer["changed"] for answer in row(link, machine, unit("a", daemon_reload=True), unit("b")))
    assert calls(machine) == []


def test_what_was_enabled_early_is_not_where_its_turn_does_not_come(link: AgentLink, machine: Path) -> None:
    answers = row(link, machine, unit("a", daemon_reload=True), unit("bad"), unit("c"), unit("d"))
    assert answers[0]["changed"] and answers[1]["failed"] and answers[2:] == [{"not_run": True}] * 2
    wants = "multi-user.target.wants/"
    assert calls(machine) == [
        "enable --no-reload a bad c d", "daemon-reload", "start a", "start bad",
        f"remove {wants}c.service {wants}d.service", "daemon-reload",
    ]  # fmt: skip
    assert {path.name for path in (machine / "enabled").iterdir()} == {"a.service", "bad.service"}


@pytest.mark.parametrize("odd", ["missing", "alias"])
def test_what_is_out_of_the_ordinary_is_not_enabled_early(link: AgentLink, machine: Path, odd: str) -> None:
    answers = row(link, machine, unit("a", daemon_reload=True), unit(odd))
    assert answers[0]["changed"]
    done = calls(machine)
    assert done[0] == f"enable --no-reload a {odd}"
    assert done[1].startswith("remove ")
    assert done[2:5] == ["daemon-reload", "enable --no-reload a", "start a"]
    assert "daemon-reload" in done[5:]


def test_early_stops_at_what_wants_more(link: AgentLink, machine: Path) -> None:
    row(link, machine, unit("a", daemon_reload=True), unit("b"), unit("c", state="restarted"), unit("d"))
    assert calls(machine) == [
        "enable --no-reload a b", "daemon-reload", "start a", "start b",
        "enable --no-reload c", "restart c", "enable --no-reload d", "start d", "daemon-reload",
    ]  # fmt: skip


def test_other_links_do_not_wait(link: AgentLink, machine: Path) -> None:
    row(link, machine, unit("alias"), unit("b"))
    assert calls(machine) == [
        "enable --no-reload alias", "daemon-reload", "start alias", "enable --no-reload b", "start b", "daemon-reload"
    ]  # fmt: skip


def test_a_failure_does_not_leave_it_out(link: AgentLink, machine: Path) -> None:
    answers = row(link, machine, unit("a"), unit("bad"), unit("c"))
    assert answers[0]["changed"] and answers[1]["failed"] and answers[2] == {"not_run": True}
    assert calls(machine) == ["enable --no-reload a", "start a", "enable --no-reload bad", "start bad", "daemon-reload"]
    assert not (machine / "enabled" / "c.service").exists()


def test_where_it_fails_the_last_of_the_row_says_so(link: AgentLink, machine: Path) -> None:
    (machine / "full").touch()
    first, second = row(link, machine, unit("a"), unit("b"))
    assert first["changed"]
    assert second["failed"] and "no space left in /run" in second["msg"]


def test_check_mode_reloads_nothing(link: AgentLink, machine: Path) -> None:
    answers = row(link, machine, unit("a", _check=True), unit("b", _check=True))
    assert [answer["changed"] for answer in answers] == [True, True]
    assert calls(machine) == []


def test_what_is_due_when_the_connection_ends_is_done_all_the_same(link: AgentLink, machine: Path) -> None:
    program = machine / "bin" / "systemctl"
    program.write_text(
        program.read_text().replace("start*) ", 'start*b) echo "$*" >> calls; exec sleep 60 ;;\nstart*) ')
    )
    environment = {"PATH": f"{machine}/bin:/usr/bin:/bin"}
    wait = f"while [ ! -e {machine}/go ]; do sleep 0.01; done"
    first = link.post("task", module="shell", arguments={"cmd": wait}, queue=1)
    for given in (unit("z"), unit("a", daemon_reload=True), unit("b"), unit("c")):
        link.post("task", module="systemd", arguments=given, environment=environment, queue=1)
    (machine / "go").touch()
    link.wait(first, 20)

    def said(words: str) -> bool:
        path = machine / "calls"
        return path.exists() and words in path.read_text()

    wait_until(lambda: said("start b"))
    link.close()
    wait_until(lambda: said("remove multi-user.target.wants/c.service\ndaemon-reload"))
    assert {path.name for path in (machine / "enabled").iterdir()} == {"z.service", "a.service", "b.service"}
