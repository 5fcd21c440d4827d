"""The engine over real SSH, on the lab's machines.

Who is let in, what is refused and why, what is left behind (nothing).
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_machines import LabMachines

from kprov.provision.engine import Engine, HostState
from kprov.provision.inventory import Inventory, load
from kprov.provision.inventory.timeouts import Timeouts

LOCK = "/tmp/kprov-test.lock"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHHcmJI8KmGHMOLLqBIcEWjg8VxAfVQ7MRsdK6sUhUIn"


@pytest.fixture
def inventory(lab: LabMachines) -> Inventory:
    return load(lab.inventory)


@pytest.fixture
def engine_of(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(inventory: Inventory, **options: Any) -> Engine:
        state = tmp_path / f"state-{len(made)}"  # as of controllers that know nothing of each other
        made.append(Engine(inventory, state_directory=state, lock_path=LOCK, timeouts=Timeouts(connect=3), **options))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def changed(inventory: Inventory, name: str, variables: dict[str, Any], **fields: Any) -> Inventory:
    """The inventory with one host altered."""
    host = inventory.hosts[name]
    altered = dataclasses.replace(host, variables={**host.variables, **variables}, **fields)
    return dataclasses.replace(inventory, hosts={**inventory.hosts, name: altered})


def state_of(engine: Engine, name: str) -> HostState:
    return engine.connect([name])[name]


def test_all_machines_at_once(inventory: Inventory, engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(inventory)
    states = engine.connect()
    assert {state.state for state in states.values()} == {"connected"}, states
    for name, facts in engine.facts.items():
        assert facts["ansible_default_ipv4"]["address"] == inventory.hosts[name].address
        assert facts["ansible_service_mgr"] == "systemd" and "openssh-server" in facts["kprov_packages"]
        assert abs(facts["kprov_clock_offset_ms"]) < 2000


@pytest.mark.parametrize(
    ("variables", "fields", "words"),
    [
        (
            {"kprov_host_key": OTHER_KEY},
            {},
            ["another host key", "expected ssh-ed25519 SHA256:", "found ssh-ed25519 SHA256:"],
        ),
        ({"kprov_host_key": None}, {}, ["is not known", "kprov_host_key: ssh-ed25519", "--accept-new-host-keys"]),
        ({"kprov_host_key": "rubbish"}, {}, ["cannot be read"]),
        ({"ansible_user": "nobody-at-all"}, {}, ["does not let nobody-at-all in", "tried: key "]),
        ({"ansible_ssh_private_key_file": "/no/such/key"}, {}, ["/no/such/key", "does not exist"]),
        ({"ansible_python_interpreter": "/no/python3"}, {}, ["there is no /no/python3", "install it"]),
        ({}, {"port": 1}, ["refuses connections"]),
        ({}, {"address": "no-such-name.invalid"}, ["has no address", "ansible_host"]),
        ({}, {"address": "10.90.0.250"}, ["10.90.0.250:22"]),
    ],
)
def test_why_a_machine_cannot_be_used(
    inventory: Inventory,
    engine_of: Callable[..., Engine],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, Any],
    fields: dict[str, Any],
    words: list[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    name = next(iter(inventory.hosts))
    state = state_of(engine_of(changed(inventory, name, variables, **fields)), name)
    assert state.state == "unreachable"
    for word in words:
        assert word in state.reason


def test_new_keys_are_taken_only_when_asked_and_remembered(
    inventory: Inventory, engine_of: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    name = next(iter(inventory.hosts))
    unpinned = changed(inventory, name, {"kprov_host_key": None})
    assert state_of(engine_of(unpinned, accept_new_host_keys=True), name).state == "connected"
    assert inventory.hosts[name].address in (tmp_path / ".ssh" / "known_hosts").read_text()
    assert state_of(engine_of(unpinned, lock=False), name).state == "connected"


def test_through_a_jump_host(inventory: Inventory, engine_of: Callable[..., Engine]) -> None:
    first, second = list(inventory.hosts)[:2]
    engine = engine_of(changed(inventory, second, {"kprov_jump_host": first}))
    assert state_of(engine, second).state == "connected"
    assert engine.shell(second, "echo $SSH_CONNECTION").stdout.startswith(inventory.hosts[first].address)


def test_second_run_is_refused_and_named(inventory: Inventory, engine_of: Callable[..., Engine]) -> None:
    name = next(iter(inventory.hosts))
    assert state_of(engine_of(inventory, command_line="kprov up"), name).state == "connected"
    state = state_of(engine_of(inventory), name)
    assert state.state == "locked" and "kprov up" in state.reason
    assert state_of(engine_of(inventory, check=True), name).state == "connected"  # a plan needs no lock


SCRIPT = """
import sys
from pathlib import Path
from kprov.provision.engine import Engine
from kprov.provision.inventory import load
engine = Engine(load(Path(sys.argv[1])), state_directory=Path(sys.argv[2]), lock_path=sys.argv[4])
engine.connect([sys.argv[3]])
print("ready", flush=True)
say = "echo $PPID > /tmp/kprov-test-agent; echo $$ > /tmp/kprov-test-pid; exec sleep 987"
engine.module(sys.argv[3], "shell", cmd=say)
"""


# What an agent could have left; not what services that others start meanwhile make.
LOOK = "ls -A /root /tmp /var/tmp /run / | grep -iE 'kprov|py|ansible'"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_controller_leaves_no_process_no_lock_and_no_file(
    lab: LabMachines, inventory: Inventory, engine_of: Callable[..., Engine], tmp_path: Path, how: signal.Signals
) -> None:
    name = next(iter(inventory.hosts))
    watcher = engine_of(inventory, lock=False)
    watcher.connect([name])
    before = watcher.shell(name, LOOK).stdout
    run = subprocess.Popen(
        # SIGINT is heard also where a shell that started the tests in the background had it ignored
        [
            "env",
            "--default-signal=INT",
            sys.executable,
            "-c",
            SCRIPT,
            str(lab.inventory),
            str(tmp_path / "other"),
            name,
            LOCK,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ},
    )
    assert run.stdout is not None and run.stdout.readline() == b"ready\n"

    def wait_until(command: str, wanted: int) -> None:
        deadline = time.monotonic() + 60
        while watcher.shell(name, command).rc != wanted:
            assert time.monotonic() < deadline, command

    try:
        wait_until("test -s /tmp/kprov-test-pid && kill -0 $(cat /tmp/kprov-test-pid)", 0)
        assert watcher.shell(name, f"test -e {LOCK}").rc == 0
        run.send_signal(how)
        run.wait(15)
        wait_until("kill -0 $(cat /tmp/kprov-test-pid)", 1)
        wait_until(f"test -e {LOCK}", 1)
        wait_until("kill -0 $(cat /tmp/kprov-test-agent)", 1)
    finally:
        run.kill()
        run.wait()
        run.stdout.close()
        watcher.shell(name, "rm -f /tmp/kprov-test-pid /tmp/kprov-test-agent")
    assert watcher.shell(name, LOOK).stdout == before


def test_a_lost_machine_stops_alone(inventory: Inventory, engine_of: Callable[..., Engine]) -> None:
    first, second = list(inventory.hosts)[:2]
    engine = engine_of(inventory)
    engine.connect([first, second])
    results = engine.module_all({first: ("shell", {"cmd": "kill -9 $PPID"}), second: ("command", {"argv": ["true"]})})
    assert results[first].failed and "was lost" in results[first].message and not results[second].failed
    assert engine.state[first].state == "unreachable" and engine.outcome() == "unreachable"
    assert engine.reconnect(first).state == "connected"


def test_a_hundred_tasks_on_all_machines_again_take_one_round_trip_and_little_time(
    inventory: Inventory, engine_of: Callable[..., Engine], tmp_path: Path
) -> None:
    tasks = "".join(
        f"- template: {{src: x.j2, dest: /tmp/kprov-test-hundred/{i}, mode: '0644', owner: root}}\n" for i in range(99)
    )
    role = tmp_path / "roles" / "hundred"
    (role / "tasks").mkdir(parents=True)
    (role / "tasks" / "main.yml").write_text("- file: {path: /tmp/kprov-test-hundred, state: directory}\n" + tasks)
    (role / "templates").mkdir()
    (role / "templates" / "x.j2").write_text(
        "{% for h in groups.all %}{{ hostvars[h].ansible_host }} {{ h }}\n{% endfor %}"
    )
    engine = engine_of(inventory, roles_path=tmp_path / "roles", templates_path=tmp_path / "none")
    engine.connect()
    hosts = list(inventory.hosts)
    try:
        first = engine.run_role("hundred", hosts)
        assert first.ok and all(count.changed == 100 for count in first.counts.values())
        again = engine.run_role("hundred", hosts)
    finally:
        engine.module_all({name: ("file", {"path": "/tmp/kprov-test-hundred", "state": "absent"}) for name in hosts})
    assert again.ok and not again.changed and again.round_trips == 1
    assert again.duration < 5
    print(f"first {first.duration} s, again {again.duration} s")
