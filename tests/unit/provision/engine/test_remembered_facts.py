"""A run that is limited to some machines has the facts of the others: remembered with an age, or asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kprov.provision.engine import Engine
from kprov.provision.engine.fact_cache import FactCache
from kprov.provision.engine.secrets import MASK, Secrets
from kprov.provision.transport.errors import Unreachable

READS_FACTS = """
- name: Reads
  copy:
    content: "{{ hostvars.h2.ansible_lvm | default('') }}{{ hostvars['h2'].ansible_distribution }}"
    dest: "{{ out }}/name"
- name: Reads without a prefix
  copy: {content: "{{ hostvars.h2.ansible_facts.distribution }}", dest: "{{ out }}/short"}
"""


class Looks:
    """Counts the connections to machines that the run is not for."""

    def __init__(self, engine: Engine, failure: str = "") -> None:
        assert engine.variables.remembered is not None
        self.hosts: list[str] = []
        self._look = engine.variables.remembered._look
        self._failure = failure
        engine.variables.remembered._look = self

    def __call__(self, session: Any) -> Any:
        self.hosts.append(session.name)
        if self._failure:
            raise Unreachable(self._failure)
        return self._look(session)


@pytest.fixture
def limited(workshop: Any, host: Any) -> Any:
    """Makes engines that are connected to h1 alone, of h1 and h2."""

    def make(failure: str = "", **options: Any) -> tuple[Engine, Looks]:
        engine = workshop.engine(host("h1"), host("h2"), connect=False, **options)
        engine.connect(["h1"])
        return engine, Looks(engine, failure)

    return make


def test_facts_are_asked_for_once_and_then_remembered(workshop: Any, limited: Any) -> None:
    workshop.role(READS_FACTS)
    engine, looks = limited(lock=True, lock_path=str(workshop.folder / "lock"))
    assert engine.run_role("r", ["h1"]).ok
    assert workshop.file("name") == workshop.file("short") == engine.facts["h1"]["ansible_distribution"]
    assert looks.hosts == ["h2"]
    assert engine.state["h2"].state == "new"
    assert list(engine.summary()) == ["h1"]
    engine.close()

    engine, looks = limited("it is off")
    assert engine.run_role("r", ["h1"]).ok
    assert looks.hosts == []


def test_what_stands_in_the_inventory_needs_no_facts(workshop: Any, limited: Any) -> None:
    workshop.role(
        """
        - copy:
            content: "{% for name in groups.all %}{{ hostvars[name].node_address }} {{ hostvars[name].out }}{% endfor %}
              {{ hostvars.h2.ansible_host }} {{ hostvars.h2.nothing_such | default('-') }}"
            dest: "{{ out }}/name"
        """
    )
    engine, looks = limited("it is off")
    assert engine.run_role("r", ["h1"]).ok
    assert looks.hosts == []


def test_what_is_neither_remembered_nor_to_be_had_is_said(workshop: Any, limited: Any) -> None:
    workshop.role(READS_FACTS)
    engine, _ = limited("192.0.2.7:22 did not answer within 10 s")
    message = engine.run_role("r", ["h1"]).failed["h1"].message
    assert "facts of h2 are needed here; none are remembered, and it can't be asked: 192.0.2.7:22 did not" in message


def test_facts_that_are_too_old_are_asked_for_again(workshop: Any, limited: Any) -> None:
    workshop.role(READS_FACTS)
    engine, _ = limited()
    assert engine.run_role("r", ["h1"]).ok
    engine.close()
    path = workshop.folder / "state" / "facts" / "h2.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "time": kept["time"] - 2 * 86400}))

    engine, looks = limited("it is off")
    message = engine.run_role("r", ["h1"]).failed["h1"].message
    assert looks.hosts == ["h2"]
    assert "those that are remembered are 2d" in message and "fact_caching_timeout is 1d" in message
    engine.close()

    engine, looks = limited()
    assert engine.run_role("r", ["h1"]).ok
    assert looks.hosts == ["h2"]


def test_the_file_is_its_owners_alone_and_holds_no_secret(tmp_path: Any) -> None:
    secrets = Secrets()
    secrets.add("hunter2hunter2")
    cache = FactCache(tmp_path / "facts", secrets, str)
    environment = {"TOKEN": "hunter2hunter2", "SOME_API_KEY": "never told", "HOME": "/root"}
    cache.keep("h/../1", {"ansible_env": environment})
    (path,) = (tmp_path / "facts").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "facts").stat().st_mode & 0o777 == 0o700
    found = cache.of("h/../1")
    assert found is not None
    assert found.facts == {"ansible_env": {"TOKEN": MASK, "SOME_API_KEY": MASK, "HOME": "/root"}}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"time": "x", "facts": {}}', '{"time": 4e9, "facts": {}, "address": "h1"}', "[" * 9999]
)
def test_a_damaged_file_is_none(tmp_path: Any, content: str) -> None:
    (tmp_path / "h1.json").write_text(content)
    assert FactCache(tmp_path, Secrets(), str).of("h1") is None


def test_a_file_that_others_may_write_is_none(tmp_path: Any) -> None:
    cache = FactCache(tmp_path, Secrets(), str)
    cache.keep("h1", {})
    assert cache.of("h1") is not None
    (tmp_path / "h1.json").chmod(0o666)
    assert cache.of("h1") is None


def test_a_folder_that_can_t_be_written_is_no_failure(tmp_path: Any) -> None:
    (tmp_path / "facts").write_text("")
    cache = FactCache(tmp_path / "facts", Secrets(), str)
    cache.keep("h1", {})
    assert cache.of("h1") is None


def test_what_was_seen_at_another_address_is_another_machines(tmp_path: Any) -> None:
    FactCache(tmp_path, Secrets(), lambda name: "192.0.2.1:22").keep("h1", {"a": 1})
    assert FactCache(tmp_path, Secrets(), lambda name: "192.0.2.1:22").of("h1") is not None
    assert FactCache(tmp_path, Secrets(), lambda name: "192.0.2.2:22").of("h1") is None
