"""Plans in files: what they keep, what they notice, and that nothing else is taken for one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.provision.bundle import Bundle
from kprov.provision.bundle.manifest import Artifact, DaemonRelease, Image, Manifest, Package
from kprov.provision.cluster.fingerprints import differences, fingerprints
from kprov.provision.cluster.plan_file import CHANGE, PlanFile, PlanFileError, PlannedHost, PlannedTask, read_plan
from kprov.provision.cluster.plan_file import write_plan as write
from kprov.provision.cluster.planned_changes import Recorder, against_plan, differences_of_hosts
from kprov.provision.engine import Result, Status
from kprov.provision.engine.secrets import Secrets

UNIT = PlannedTask("Configure etcd", "etcd", "Unit", CHANGE, "", "--- a\n+++ b\n-old\n+new\n")


def plan_of(*tasks: PlannedTask, **values: Any) -> PlanFile:
    hosts = {"cp1": PlannedHost("id1", list(tasks))}
    return PlanFile(
        **{"run": "r", "created": 1.0, "by": "me", "inventory": "i", "salt": "00", "hosts": hosts, **values}
    )


class TestTheFile:
    def test_it_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        plan = plan_of(UNIT, options={"limit": None, "tags": ["x"]}, left_out={"w1": "down"})
        path = tmp_path / "p.plan"
        path.write_text("an older one")
        write(path, plan)
        assert read_plan(path) == plan and path.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [path]

    def test_where_it_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(PlanFileError, match="can't be written"):
            write(tmp_path / "none/p", plan_of())
        (tmp_path / "folder").mkdir()
        with pytest.raises(PlanFileError, match="can't be written"):
            write(tmp_path / "folder", plan_of())
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kprov_plan": 99}', '{"kprov_plan": 1}', "\0", "[" * 9999])
    def test_what_is_none(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "p").write_text(text)
        with pytest.raises(PlanFileError, match="make a new one"):
            read_plan(tmp_path / "p")
        with pytest.raises(PlanFileError, match="can't be read"):
            read_plan(tmp_path / "q")

    @settings(max_examples=100, deadline=None)
    @given(
        key=st.sampled_from(["hosts", "options", "salt", "created", "fingerprints", "left_out"]),
        value=st.none()
        | st.integers()
        | st.text(max_size=3)
        | st.lists(st.none(), max_size=2)
        | st.dictionaries(st.text(max_size=2), st.none() | st.integers() | st.dictionaries(st.text(), st.text())),
    )
    def test_damage_is_said(self, tmp_path_factory: pytest.TempPathFactory, key: str, value: Any) -> None:
        path = tmp_path_factory.getbasetemp() / "damaged.plan"
        write(path, plan_of(UNIT))
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
        with contextlib.suppress(PlanFileError):  # any other error is a traceback for somebody
            read_plan(path)


class TestWhatWouldBeDone:
    def now(self, *tasks: PlannedTask, machine: str = "id1") -> dict[str, PlannedHost]:
        return {"cp1": PlannedHost(machine, list(tasks))}

    def test_the_same_is_the_same(self) -> None:
        assert differences_of_hosts(plan_of(UNIT, UNIT), self.now(UNIT, UNIT)) == []

    def test_what_differs_is_named(self) -> None:
        other = dataclasses.replace(UNIT, diff=UNIT.diff.replace("old", "drifted"))
        cases = [
            (self.now(), "cp1: etcd: Unit: planned, but there is nothing to do any more"),
            (self.now(UNIT, UNIT), "cp1: etcd: Unit: it would be changed, and was not planned"),
            (self.now(other), 'cp1: etcd: Unit: what would be changed is not what was planned: "-drifted" instead of'),
            (self.now(UNIT, machine="id2"), "cp1: it is another machine"),
            ({}, "cp1: it does not take part now"),
        ]
        for now, sentence in cases:
            found = differences_of_hosts(plan_of(UNIT), now)
            assert len(found) == 1 and found[0].startswith(sentence), found

    def test_what_was_done_is_held_against_it(self) -> None:
        other, third = dataclasses.replace(UNIT, task="Restart"), dataclasses.replace(UNIT, task="Folder")
        assert against_plan(plan_of(UNIT, third), {"cp1": [UNIT, other]}) == {
            "cp1": {"planned": ["etcd: Unit"], "followed": ["etcd: Restart"], "not needed": ["etcd: Folder"]}
        }
        assert against_plan(plan_of(), {}) == {}

    def test_the_recorder(self) -> None:
        recorder = Recorder(lambda text: text.replace("hush", "***"))
        recorder.phase = "P"
        recorder.made_up(["-----BEGIN\nabc\n-----END\n"])
        diff = "+++ /ca.crt\n+-----BEGIN\n+abc\n+-----END\n"
        recorder("r", Result("h", "with hush", Status.CHANGED, diff=diff))
        recorder("r", Result("h", "fine", Status.OK))
        recorder("r", Result("h", "asked", Status.SKIPPED, check=True, number=3))
        recorder("r", Result("h", "left out", Status.SKIPPED, check=True))
        recorder("r", Result("h", "bad", Status.FAILED, "why"))
        assert [(task.task, task.effect) for task in recorder.tasks["h"]] == [
            ("with ***", "change"),
            ("asked", "known only when it is done"),
        ]
        assert recorder.tasks["h"][0].diff == "+++ /ca.crt\n+(made when it is first needed)\n"
        assert recorder.failed == ["h: r: bad: why"]


def bundle_of(**packages: str) -> Bundle:
    listed = [Package(sha, 1, "f", name=name) for name, sha in packages.items()]
    daemons = {"13": DaemonRelease("0.1", (Artifact("s", 1, "f"),))}
    return Bundle(Manifest({"13": listed}, {}, daemons, [Image("i", 1, "f", name="pause")]), Path())


class TestFingerprints:
    @pytest.fixture
    def folders(self, tmp_path: Path) -> Path:
        for name in ("roles/r/tasks/main.yml", "templates/t.j2"):
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_text("x")
        return tmp_path

    def prints(self, folders: Path, *, secret: str = "hush-hush", packages: str = "1", **variables: Any) -> Any:
        def host(name: str) -> Any:
            values = {"max_pods": 110, "text": f"has {secret} in it", **variables}
            return SimpleNamespace(name=name, variables=values, groups=("all",))

        inventory: Any = SimpleNamespace(
            hosts={name: host(name) for name in ("cp1", "w1")},
            cluster=SimpleNamespace(state_directory=folders / "none"),
        )
        secrets = Secrets()
        secrets.add(secret)
        return fingerprints(
            inventory,
            bundle_of(curl=packages),
            secrets,
            b"salt",
            roles=folders / "roles",
            templates=folders / "templates",
        )

    def test_nothing_changed(self, folders: Path) -> None:
        assert differences(self.prints(folders), self.prints(folders)) == []

    def test_what_changed_is_named(self, folders: Path) -> None:
        then = self.prints(folders)
        assert differences(then, self.prints(folders, max_pods=99)) == [
            "inventory: max_pods of every machine is another one"
        ]
        assert differences(then, self.prints(folders, more=1)) == ["inventory: more of every machine is new"]
        assert differences(then, self.prints(folders, packages="2")) == [
            "bundle: the packages for Debian 13 is another one"
        ]
        (folders / "templates/t.j2").write_text("y")
        (folders / "roles/r/tasks/more.yml").touch()
        assert differences(then, self.prints(folders)) == [
            "roles: r/tasks/more.yml is new",
            "templates: t.j2 is another one",
        ]

    def test_secrets_are_noticed_and_not_given_away(self, folders: Path) -> None:
        then, now = self.prints(folders), self.prints(folders, secret="another one")
        assert differences(then, now) == [
            "a secret of the inventory (a password, a token, something in a vault) is another one"
        ]
        assert then["variable"] == now["variable"], "a variable's fingerprint is made without the secrets in it"

    def test_machines_that_come_and_go(self) -> None:
        then, now = {"variable": {"a x": "1", "b x": "1"}}, {"variable": {"a x": "1", "c x": "1"}}
        assert differences(then, now) == [
            "b is in the plan, and not in the inventory any more",
            "c is in the inventory now, and is not in the plan",
        ]
