"""An engine over agents on this machine: real agents, real roles, no SSH, no root."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.engine import Engine, HostSummary, PhaseResult, Status


class Recording:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.results: list[tuple[str, str, Status, str, str]] = []
        self.warnings: list[str] = []

    def run_started(self, run_id: str, hosts: list[str], check: bool) -> None:
        self.events.append(("run_started", hosts, check))

    def host_state(self, host: str, state: str, reason: str) -> None:
        self.events.append(("host_state", host, state, reason))

    def phase_started(self, title: str, hosts: list[str]) -> None:
        self.events.append(("phase_started", title, hosts))

    def task_started(self, host: str, role: str, task: str) -> None:
        self.events.append(("task_started", host, task))

    def task_result(
        self, host: str, role: str, task: str, status: Status, diff: str, message: str, duration: float
    ) -> None:
        self.results.append((host, task, status, diff, message))

    def phase_finished(self, result: PhaseResult) -> None:
        self.events.append(("phase_finished", result.title))

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    def waiting(self, message: str) -> None:
        self.events.append(("waiting", message))

    def run_finished(self, summary: dict[str, HostSummary]) -> None:
        self.events.append(("run_finished", sorted(summary)))

    def of(self, host: str) -> list[tuple[str, str]]:
        """The host's tasks and how they ended."""
        return [(task, str(status)) for name, task, status, _, _ in self.results if name == host]


def make_host(name: str, **variables: Any) -> Any:
    """A host that is this machine."""
    merged = {"ansible_connection": "local", "ansible_become": False, **variables}
    return SimpleNamespace(
        name=name,
        address="127.0.0.1",
        node_address="127.0.0.1",
        port=22,
        user="root",
        variables=merged,
        groups=("all", "machines"),
    )


def make_inventory(folder: Path, hosts: list[Any]) -> Any:
    """An inventory of them."""
    names = tuple(host.name for host in hosts)
    return SimpleNamespace(
        hosts={host.name: host for host in hosts},
        members={"all": names, "machines": names},
        cluster=SimpleNamespace(cluster_name="test"),
        path=folder / "inventory.yaml",
        layers={},
    )


class Workshop:
    """Roles, templates and engines of one test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.out.mkdir()
        self._stack = stack
        self.reporter = Recording()

    def write(self, path: str, text: str) -> None:
        """Write a file of a role or a template."""
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text))

    def role(self, tasks: str, *, handlers: str = "", defaults: str = "", name: str = "r") -> None:
        """Write a role."""
        self.write(f"roles/{name}/tasks/main.yml", tasks)
        if handlers:
            self.write(f"roles/{name}/handlers/main.yml", handlers)
        if defaults:
            self.write(f"roles/{name}/defaults/main.yml", defaults)

    def engine(self, *hosts: Any, connect: bool = True, **options: Any) -> Engine:
        """An engine, its hosts connected."""
        self.reporter = Recording()
        chosen = list(hosts) or [make_host("h1")]
        for host in chosen:
            host.variables.setdefault("out", str(self.out / host.name))
            (self.out / host.name).mkdir(exist_ok=True)
        options.setdefault("lock", False)
        options.setdefault("state_directory", self.folder / "state")
        engine = self._stack.enter_context(
            Engine(
                make_inventory(self.folder, chosen),
                reporter=self.reporter,
                roles_path=self.folder / "roles",
                templates_path=self.folder / "templates",
                **options,
            )
        )
        if connect:
            engine.connect()
            assert all(state.state == "connected" for state in engine.state.values()), engine.state
        return engine

    def run(self, *hosts: Any, variables: dict[str, Any] | None = None, **options: Any) -> PhaseResult:
        """Run the role on all hosts with a new engine, which is closed."""
        engine = self.engine(*hosts, **options)
        result = engine.run_role("r", list(engine.inventory.hosts.values()), variables=variables)
        engine.close()
        return result

    def file(self, name: str, host: str = "h1") -> str:
        """What a role wrote."""
        return (self.out / host / name).read_text()


@pytest.fixture
def workshop(tmp_path: Path) -> Any:
    """A folder for roles, and engines that are closed at the end."""
    with ExitStack() as stack:
        yield Workshop(tmp_path, stack)


MakeHost = Callable[..., Any]


@pytest.fixture
def host() -> MakeHost:
    """Makes hosts: host("h1", colour="red")."""
    return make_host
