"""What kprov writes down for itself, damaged: plans, journals, locks, facts; and the sockets of kept connections."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace
from typing import Any, cast

from fuzz_bounds import FOLDER, only

from kprov.cli import plan_files, run_texts
from kprov.cli.report.page import page
from kprov.provision.cluster.drift import changes_of, sources_of
from kprov.provision.cluster.fingerprints import differences
from kprov.provision.cluster.plan_file import PlanFileError, read_plan
from kprov.provision.cluster.planned_changes import against_plan, differences_of_hosts
from kprov.provision.engine.fact_cache import FactCache
from kprov.provision.engine.holder import has_died, held_by, run_of
from kprov.provision.engine.journal_reader import read_run, read_summary
from kprov.provision.engine.pending_handlers import PendingHandlers
from kprov.provision.engine.resumption import left_undone
from kprov.provision.engine.run_comparison import compare
from kprov.provision.engine.secrets import Secrets
from kprov.provision.engine.state_lock import _read
from kprov.provision.transport.keeper import Keeper
from kprov.provision.transport.kept import KeptConnections
from kprov.provision.transport.target import Target


def plan_file(data: bytes) -> None:
    """A plan, as it is read, told of and held against what is now."""
    path = FOLDER / "plan"
    path.write_bytes(data)
    with only(PlanFileError):
        plan = read_plan(path)
        plan_files.limits_of(plan)
        told = SimpleNamespace(reporter=SimpleNamespace(event=lambda *_, **facts: json.dumps(facts)))
        plan_files.tell_begin(plan, path, cast(Any, told))
        differences(plan.fingerprints, {})
        differences_of_hosts(plan, plan.hosts)
        differences_of_hosts(plan, {})
        against_plan(plan, {name: host.tasks[1:] for name, host in plan.hosts.items()})


def journal(data: bytes) -> None:
    """A run's journal, as `kprov runs`, `kprov report` and the next run read it."""
    state = FOLDER / "state"
    folder = state / "runs" / "20260101T100000.000-aaaaaa"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal.jsonl").write_bytes(data)
    summary, run = read_summary(folder), read_run(folder)
    for each in (summary, run):
        "\t".join(run_texts.row_of(each))
        json.dumps(run_texts.facts_of(each))
    "\n".join(run_texts.shown(run, verbosity=2, diff=True))
    "\n".join(run_texts.compared(compare(run, summary), diff=True))
    json.dumps([run_texts.task_facts(task) for task in run.tasks()])
    undone = left_undone(state, run.command)
    if undone is not None:
        "\n".join(run_texts.going_on(undone))
        json.dumps(run_texts.going_on_facts(undone))
    sources_of(folder)
    changes_of(run)
    page([run])


def lock_words(data: bytes) -> None:
    """Who holds a lock: the file of the state's, and what a machine says of its own."""
    path = FOLDER / "lock"
    path.write_bytes(data)
    with path.open("rb") as stream:
        found = _read(stream.fileno())
    has_died(found)
    held_by(found)
    run_of(found)


def remembered_facts(data: bytes) -> None:
    """The facts of a machine, as an earlier run kept them."""
    folder = FOLDER / "facts"
    folder.mkdir(exist_ok=True)
    path = folder / "h.json"
    path.write_bytes(data)
    path.chmod(0o600)
    found = FactCache(folder, Secrets(), lambda name: "10.0.0.1:22").of("h")
    assert found is None or found.age >= -1


def due_handlers(data: bytes) -> None:
    """Handlers that an earlier run left undone."""
    path = FOLDER / "pending_handlers.jsonl"
    path.write_bytes(data)
    pending = PendingHandlers(path, remember=True)
    for (host, role), names in pending.all_due().items():
        pending.set(host, role, set(names) - {next(iter(names))})
    pending.close()


def keepers_requests(data: bytes) -> None:
    """What is asked of the process that keeps connections; with each request a socket, or none."""
    path = FOLDER / "kept"
    if path.exists():
        path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(5)
        keeper = Keeper(listener, path)
        for number, request in enumerate(data.split(b"\n")):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.connect(str(path))
                keeper._accept()
                near, far = socket.socketpair()
                with near, far:
                    socket.send_fds(client, [request[:60_000] or b"x"], [near.fileno()] if number % 3 else [])
                for server in list(keeper._clients.values()):
                    keeper._serve(server)
        keeper._end_old(float("inf"))
        for server in list(keeper._clients.values()):
            keeper._leave(server)


def keepers_answers(data: bytes) -> None:
    """What a command hears on the socket where the keeper of its connections should be."""
    target = Target("h", "127.0.0.1")
    for ask in ("take", "list", "close"):
        kept = KeptConnections(60, lambda warning: None)
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.settimeout(0.2)
        kept._keeper = near
        with near, far, socket.socketpair()[0] as given:
            for number, answer in enumerate(data.split(b"\n")[:20]):
                socket.send_fds(far, [answer[:60_000] or b"{}"], [given.fileno()] if number % 2 == 0 else [])
            far.shutdown(socket.SHUT_WR)
            with only(OSError):
                if ask == "take":
                    link = kept.take(target)
                    if link is not None:
                        link.close()
                elif ask == "list":
                    kept.list()
                else:
                    kept.close()


OWN_FILES = (plan_file, journal, lock_words, remembered_facts, due_handlers, keepers_requests, keepers_answers)
