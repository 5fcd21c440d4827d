"""Batches, canaries, and how many machines may fail: against an engine that only keeps the machines' states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.cluster.pace import Pace, RunEnded, run_phases
from kprov.provision.cluster.phase import ClusterError, Phase
from kprov.provision.engine import HostState

NAMES = ("a", "b", "c", "d", "e")


class Machines:
    """What a phase does to whom."""

    check = False

    def __init__(self, harm: dict[tuple[str, str], str], new: Sequence[str] = ()) -> None:
        self.hosts = [SimpleNamespace(name=name) for name in NAMES]
        self.state = {name: HostState("connected") for name in NAMES}
        self.facts = {name: {} if name in new else {"kprov_release": "1"} for name in NAMES}
        self.harm = harm
        self.log: list[str] = []

    def alive(self, hosts: Sequence[Any]) -> list[Any]:
        return [host for host in hosts if self.state[host.name].state == "connected"]

    def touch(self, title: str, hosts: Sequence[Any]) -> None:
        self.log.append(f"{title}: {''.join(host.name for host in hosts)}")
        for host in hosts:
            if state := self.harm.get((title.partition(",")[0], host.name)):
                self.state[host.name] = HostState(state)

    def run_role(self, role: str, hosts: Sequence[Any], *, title: str, variables: Any, tags: Any) -> None:
        assert role in tags
        self.touch(title, hosts)


def procedure(title: str) -> Callable[[Any, Any], None]:
    return lambda context, hosts: context.engine.touch(title, hosts)


def run(machines: Machines, *phases: Phase, **pace: Any) -> list[str]:
    context = SimpleNamespace(
        engine=machines,
        hosts_of=lambda pattern: machines.hosts,
        role_variables=dict,
        limit=None,
        during=lambda phase, hosts: nullcontext(),
    )
    run_phases(context, phases, Pace(**pace))  # type: ignore[arg-type]
    return machines.log


ONE, TWO = Phase("One", "all", role="r"), Phase("Two", "all", role="r")


@pytest.mark.parametrize(
    ("phase", "pace", "new", "log"),
    [
        (ONE, {}, "", ["One: abcde"]),
        (
            ONE,
            {"serial": [1, "40%", "100%"]},
            "",
            ["One, batch 1 of 3: a", "One, batch 2 of 3: bc", "One, batch 3 of 3: de"],
        ),
        (
            Phase("One", "all", role="r", serial=3),
            {"serial": [1]},
            "",
            ["One, batch 1 of 2: abc", "One, batch 2 of 2: de"],
        ),
        (Phase("One", "all", role="r", whole=True), {"serial": [1]}, "", ["One: abcde"]),
        (Phase("One", "all", role="r", rolling=True), {}, "abcde", ["One: abcde"]),
        (
            Phase("One", "all", role="r", rolling=True),
            {},
            "bde",
            ["One, batch 1 of 3: bde", "One, batch 2 of 3: a", "One, batch 3 of 3: c"],
        ),
        (Phase("One", "all", procedure=procedure("One"), serial="50%"), {}, "", ["One: ab", "One: cd", "One: e"]),
    ],
)
def test_batches(phase: Phase, pace: dict[str, Any], new: str, log: list[str]) -> None:
    assert run(Machines({}, list(new)), phase, **pace) == log


def test_a_failure_holds_up_no_other_machine() -> None:
    machines = Machines({("One", "a"): "failed", ("One", "b"): "unreachable"})
    assert run(machines, ONE, TWO) == ["One: abcde", "Two: cde"]


def test_no_batch_is_begun_after_one_with_a_failure() -> None:
    machines = Machines({("One", "c"): "failed"})
    with pytest.raises(RunEnded, match=r"One, batch 2 of 3: failed on c\nLeft untouched: e") as ended:
        run(machines, ONE, TWO, serial=[2])
    assert ended.value.exit_code == 1
    assert machines.log == ["One, batch 1 of 3: ab", "One, batch 2 of 3: cd"]


def test_a_lost_canary_leaves_the_rest_alone_and_ends_as_unreachable() -> None:
    machines = Machines({("One", "a"): "unreachable"})
    with pytest.raises(RunEnded, match=r"lost a, which does not answer any more\nLeft untouched: b, c, d, e") as ended:
        run(machines, ONE, serial=[1, "100%"])
    assert ended.value.exit_code == 3


@pytest.mark.parametrize(
    ("max_fail", "log"),
    [
        ("0", ["One, batch 1 of 5: a"]),
        ("1", ["One, batch 1 of 5: a", "One, batch 2 of 5: b"]),
        ("20%", ["One, batch 1 of 5: a", "One, batch 2 of 5: b"]),
        ("39%", ["One, batch 1 of 5: a", "One, batch 2 of 5: b"]),
        ("2", [f"One, batch {n + 1} of 5: {name}" for n, name in enumerate(NAMES)] + ["Two, batch 1 of 3: c"]),
    ],
)
def test_more_failures_than_allowed_end_the_run(max_fail: str, log: list[str]) -> None:
    machines = Machines({("One", "a"): "failed", ("One", "b"): "failed", ("Two", "c"): "failed"})
    with pytest.raises(RunEnded, match=f"--max-fail {max_fail}"):
        run(machines, ONE, TWO, serial=[1], max_fail=max_fail)
    assert machines.log == log


def test_max_fail_without_batches_ends_after_the_phase() -> None:
    machines = Machines({("One", "a"): "failed"})
    with pytest.raises(RunEnded, match="1 of 5 machines have failed, more than --max-fail 0"):
        run(machines, ONE, TWO, max_fail="0")
    assert machines.log == ["One: abcde"]


def test_who_did_not_answer_from_the_beginning_is_not_counted() -> None:
    machines = Machines({("Two", "b"): "failed"})
    machines.state["a"] = HostState("unreachable")
    with pytest.raises(RunEnded, match=r"Two: 1 of 4 machines have failed"):
        run(machines, ONE, TWO, max_fail="0")
    assert machines.log == ["One: bcde", "Two: bcde"]


def canary(problem_after: str) -> Callable[[Any, Any], None]:
    def verify(context: Any, hosts: Any) -> None:
        names = "".join(host.name for host in hosts)
        context.engine.log.append(f"verify {names}")
        if problem_after in names:
            raise ClusterError(f"{problem_after} is not ready")

    return verify


def test_each_batch_is_verified_before_the_next() -> None:
    phase = Phase("One", "all", role="r", serial=[1, "100%"], verify=canary("x"))
    assert run(Machines({}), phase) == ["One, batch 1 of 2: a", "verify a", "One, batch 2 of 2: bcde", "verify abcde"]


def test_a_canary_that_is_not_well_saves_the_rest() -> None:
    machines = Machines({})
    with pytest.raises(ClusterError, match=r"One, batch 1 of 2: a is not ready\nLeft untouched: b, c, d, e"):
        run(machines, Phase("One", "all", role="r", serial=[1, "100%"], verify=canary("a")), TWO)
    assert machines.log == ["One, batch 1 of 2: a", "verify a"]


def test_nothing_is_verified_where_nothing_was_changed() -> None:
    machines = Machines({})
    machines.check = True
    assert run(machines, Phase("One", "all", role="r", verify=canary("a"))) == ["One: abcde"]


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        ({"a": "failed"}, 1),
        ({"a": "unreachable"}, None),
        ({"a": "unreachable", "b": "unreachable"}, None),
        ({"a": "unreachable", "b": "unreachable", "c": "unreachable"}, 3),
        ({"a": "unreachable", "b": "failed"}, 1),
    ],
)
def test_essential_phases_go_on_with_a_majority_of_what_answers(harm: dict[str, str], code: int | None) -> None:
    machines = Machines({("One", name): state for name, state in harm.items()})
    phase = Phase("One", "all", role="r", essential=True)
    if code is None:
        assert len(run(machines, phase, TWO)) == 2
        return
    with pytest.raises(ClusterError, match="the rest would stand on nothing") as ended:
        run(machines, phase, TWO)
    assert ended.value.exit_code == code


def test_each_phase_may_be_asked_for() -> None:
    answers = iter([False, True])
    assert run(Machines({}), ONE, TWO, confirm=lambda phase, hosts: next(answers)) == ["Two: abcde"]
