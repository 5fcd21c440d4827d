"""What is measured: first run, nothing to do, one file of one host changed; nothing to do far away, with more tasks."""

from __future__ import annotations

import contextlib
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from provisioning import cpu_shares, measure, table, tools, workload
from provisioning.lab import Lab
from provisioning.loopback import PORT, Loopback

Row = dict[str, Any]


class Machines(Protocol):
    """Where the work is done."""

    prefix: list[str]

    def prepare(self, tool: str) -> None:
        """Make the tool's targets empty."""

    def spoil(self, tool: str) -> None:
        """Change one file of one host."""

    def bytes_sent(self) -> int:
        """Bytes on the wire so far."""

    def machines_cpu(self) -> float | None:
        """CPU seconds of the machines so far; None where they are not known."""

    def finish(self, tool: str, other: str) -> bool:
        """Make a tool's targets what another tool made of its own; False where that cannot be."""


class Benchmark:
    """Runs the tools one after the other.

    Args:
        folder: everything is kept below it.
        wanted: the tools' names.
        binaries: where the peers are installed.
        limit: seconds for one command.
        largest: peers do not run on more hosts than that (0: they always do).
        profile: after each case, look where kprov's time goes when there is nothing to do.
    """

    def __init__(
        self, folder: Path, wanted: list[str], binaries: Path, limit: float, largest: int, profile: bool = False
    ) -> None:
        self._folder = folder
        self._wanted = wanted
        self._binaries = binaries
        self._limit = limit
        self._largest = largest
        self._profile = profile
        self._number = 0

    def _tools(self, work: workload.Workload) -> list[tools.Tool]:
        """The tools, each with a folder of its own that has the role in it."""
        makers: dict[str, Callable[[Path], tools.Tool]] = {
            "kprov": tools.Kprov,
            "kprov_anew": lambda folder: tools.Kprov(folder, keeps=False),
            "script": tools.Script,
            "pyinfra": lambda folder: tools.Pyinfra(folder, self._binaries),
            "ansible": lambda folder: tools.Ansible(folder, self._binaries),
            "ansible_no_facts": lambda folder: tools.Ansible(folder, self._binaries, facts=False),
        }
        self._number += 1
        found = []
        for name in self._wanted:
            folder = self._folder / f"{self._number}" / name
            folder.mkdir(parents=True)
            work.write(folder)
            found.append(makers[name](folder))
        return found

    def on_lab(self, lab: Lab, work: workload.Workload, name: str) -> list[Row]:
        """A role, that has a name, on a lab's machines."""
        rows = _rows(("first run", "no-op", "one file changed"), lab.count, "lab")
        for row in rows:
            row["work"] = name
        for tool in self._tools(work):
            hosts = lab.hosts(tool.name, tool.folder)
            self._thrice(tool, lab, hosts, rows)
        return rows

    def on_loopback(self, targets: Loopback, count: int, tasks: int) -> list[Row]:
        """Folders, files, templates, lines and commands, on many targets."""
        rows = _rows(("first run", "no-op", "one file changed"), count, "loopback")
        for tool in self._tools(workload.files_and_commands(tasks)):
            if not isinstance(tool, tools.Kprov) and 0 < self._largest < count:
                for row in rows:
                    row[f"{tool.name}_note"] = f"left out: more than {self._largest} hosts"
                continue
            self._thrice(tool, targets, targets.hosts(tool.name, count), rows)
        return rows

    def far_away(self, targets: Loopback, rtt: float, tasks: int) -> list[Row]:
        """Nothing to do, on one host that is a round trip of `rtt` seconds away."""
        rows = _rows((f"no-op, {rtt * 1000:g} ms away",), 1, "loopback")
        for tool in self._tools(workload.files_and_commands(tasks)):
            targets.prepare(tool.name)
            tool.write_inventory(targets.hosts(tool.name, 1))
            self._run(tool, targets, 1)
            tool.forget()
            cost, counts = self._through_relay(tool, targets, rtt, 1)
            trips = max(counts, default=None)
            if trips is not None and tool.keeps:
                # What a further run on the same connection adds.
                cost, counts = self._through_relay(tool, targets, rtt, 2)
                trips = max(counts, default=0.0) - trips
            tool.end()
            _note(rows[0], tool, cost, self._limit)
            rows[0][f"{tool.name}_round_trips"] = trips
            rows[0][f"{tool.name}_connections"] = len(counts)
        return rows

    def growth(self, targets: Loopback, count: int, tasks: int, rounds: int) -> list[Row]:
        """Nothing to do, with so many tasks and with four times as many: in turns on the same targets, medians."""
        few, many = ({"case": f"no-op, {n} tasks", "hosts": count, "where": "loopback"} for n in (tasks, 4 * tasks))
        pairs = zip(*(self._tools(workload.files_and_commands(n)) for n in (tasks, 4 * tasks)), strict=True)
        for pair in pairs:
            tool = pair[0]
            if not tool.runs_again:
                continue
            targets.prepare(tool.name)
            for one in pair:
                one.write_inventory(targets.hosts(tool.name, count))
            for one in reversed(pair):  # the many tasks do what the few do, and more
                self._run(one, targets, count)
            costs = [[self._run(one, targets, count) for one in pair] for _ in range(rounds)]
            for one, row, of_row in zip(pair, (few, many), zip(*costs, strict=True), strict=True):
                of_row = sorted(of_row, key=lambda cost: cost.seconds or self._limit)
                _note(row, tool, of_row[len(of_row) // 2], self._limit)
                one.end()
            if all(cost.seconds for of_round in costs for cost in of_round):
                ratios = [(second.seconds or 0) / (first.seconds or 1) for first, second in costs]
                many[f"{tool.name}_growth"] = round(statistics.median(ratios), 2)
            print(
                f"growth at {count} hosts, {tool.label}: {many.get(f'{tool.name}_growth')}", file=sys.stderr, flush=True
            )
        return [few, many]

    def _through_relay(
        self, tool: tools.Tool, targets: Loopback, rtt: float, runs: int
    ) -> tuple[measure.Cost, list[float]]:
        """Run a tool some times in a row: the last one's cost, and the round trips of each connection."""
        with _relay(targets, rtt) as (port, counts):
            tool.write_inventory(targets.hosts(tool.name, 1, port))
            _add_known(targets, port)
            for _ in range(runs):
                cost = self._run(tool, targets, 1)
            tool.forget()
        return cost, counts

    def _thrice(self, tool: tools.Tool, machines: Machines, hosts: dict[str, dict[str, Any]], rows: list[Row]) -> None:
        machines.prepare(tool.name)
        tool.write_inventory(hosts)
        for row in rows[: None if tool.runs_again else 1]:
            if row["case"] == "one file changed":
                machines.spoil(tool.name)
            cost = self._run(tool, machines, len(hosts))
            _note(row, tool, cost, self._limit)
            print(
                f"{table.title(row)}, {row['hosts']} hosts, {tool.label}: {_seconds(cost)}", file=sys.stderr, flush=True
            )
            # A run that was stopped has not done its work: the next case begins with what it should have done.
            if cost.seconds is None and not machines.finish(tool.name, "kprov"):
                for later in rows[rows.index(row) + 1 :]:
                    later[f"{tool.name}_note"] = "left out: the run before took too long"
                break
        else:
            if self._profile and isinstance(tool, tools.Kprov):
                self._look(tool, machines, len(hosts), rows)
        tool.end()

    def _look(self, tool: tools.Kprov, machines: Machines, hosts: int, rows: list[Row]) -> None:
        """One more run with nothing to do, under the profiler."""
        output = tool.folder / "profile.json"
        command = [*machines.prefix, *tool.profiled(output)]
        cost, left = measure.run(command, tool.folder, tool.environment(hosts), self._limit * 4)
        tool.left.update(left)
        if cost.code != 0:
            raise RuntimeError(f"{' '.join(command)} failed ({cost.code}):\n{cost.output[-3000:]}")
        row = next(row for row in rows if row["case"].startswith("no-op"))
        row[f"{tool.name}_profile"] = {kind: round(share, 3) for kind, share in cpu_shares.shares(output)}

    def _run(self, tool: tools.Tool, machines: Machines, hosts: int) -> measure.Cost:
        command = [*machines.prefix, *tool.command(hosts)]
        environment = tool.environment(hosts)
        before = machines.machines_cpu()
        cost, left = measure.run(command, tool.folder, environment, self._limit, machines.bytes_sent)
        after = machines.machines_cpu()
        if before is not None and after is not None:
            cost.machines_cpu = after - before
        tool.left.update(left)
        if cost.seconds is not None and cost.code != 0:
            raise RuntimeError(f"{' '.join(command)} failed ({cost.code}):\n{cost.output[-3000:]}")
        return cost


def _seconds(cost: measure.Cost) -> str:
    return "stopped, took too long" if cost.seconds is None else f"{cost.seconds:.2f} s"


def _rows(cases: tuple[str, ...], hosts: int, where: str) -> list[Row]:
    return [{"case": case, "hosts": hosts, "where": where} for case in cases]


def _note(row: Row, tool: tools.Tool, cost: measure.Cost, limit: float) -> None:
    """Write down a cost, and how it stands to kprov's."""
    name = tool.name
    if cost.seconds is None:
        row[f"{name}_s"] = None
        row[f"{name}_note"] = f"stopped after {limit:g} s"
        if row.get("kprov_s"):
            row[f"{name}_ratio_over"] = round(limit / row["kprov_s"], 1)
            row[f"{name}_note"] += f": more than {row[f'{name}_ratio_over']:g} times kprov's"
        return
    row[f"{name}_s"] = round(cost.seconds, 3)
    row[f"{name}_cpu_s"] = round(cost.cpu, 2)
    if cost.machines_cpu is not None:
        row[f"{name}_machines_cpu_s"] = round(cost.machines_cpu, 2)
    row[f"{name}_memory_mb"] = round(cost.memory_mb, 1)
    row[f"{name}_wire_kb"] = round(cost.wire_kb, 1)
    changed = _changed(cost.output)
    if changed is not None:
        row[f"{name}_changed"] = changed
    if name != "kprov" and row.get("kprov_s"):
        row[f"{name}_ratio"] = round(cost.seconds / row["kprov_s"], 1)


def _changed(output: str) -> int | None:
    """How many changes an Ansible-like recap counts."""
    found = re.findall(r"changed=(\d+)", output)
    return sum(map(int, found)) if found else None


@contextlib.contextmanager
def _relay(targets: Loopback, rtt: float) -> Iterator[tuple[int, list[float]]]:
    """A relay to the targets' sshd; the list has the round trips of each connection once it has ended."""
    command = [*targets.prefix, sys.executable, str(Path(__file__).with_name("relay.py")), str(PORT), str(rtt)]
    counts: list[float] = []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield int(process.stdout.readline()), counts
    finally:
        process.stdin.close()
        counts += [float(line.split()[0]) for line in process.stdout]
        process.wait()


def _add_known(targets: Loopback, port: int) -> None:
    """Let peers know the relay's port by the same key."""
    known = targets.folder / "known_hosts"
    key = known.read_text().splitlines()[0].split(" ", 1)[1]
    with known.open("a") as stream:
        stream.write(f"[127.0.0.1]:{port} {key}\n")
