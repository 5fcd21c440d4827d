"""kprov exec and kprov module, on this computer itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

KPROV = Any


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """An inventory of this computer under two names, and of one that nobody answers for."""
    path = tmp_path / "inventory.yaml"
    hosts = {
        name: {
            "ansible_connection": "local",
            "ansible_become": False,
            "word": word,
            "kprov_lock_path": str(tmp_path / name),
        }
        for name, word in (("one", "same"), ("two", "same"))
    }
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    path.write_text(
        json.dumps({"all": {"hosts": {**hosts, "gone": gone}, "children": {"web": {"hosts": {"two": {}}}}}})
    )
    return path


def test_equal_outputs_are_shown_together(kprov: KPROV, here: Path) -> None:
    done = kprov("exec", "echo {{ word }}", "-i", here, "-l", "one,two")
    assert done.code == 0
    assert done.out.startswith("one, two: exit code 0\nsame\n")


def test_a_failure_and_a_machine_that_does_not_answer(kprov: KPROV, here: Path) -> None:
    done = kprov("exec", "test {{ inventory_hostname }} = one || { echo no >&2; exit 3; }", "-i", here)
    assert done.code == 1
    assert "one: exit code 0\n" in done.out
    assert "two: exit code 3\nno\n" in done.out
    assert "gone: unreachable: " in done.out
    assert kprov("exec", "true", "-i", here).code == 3


def test_words_after_two_dashes_and_a_folder(kprov: KPROV, here: Path, tmp_path: Path) -> None:
    done = kprov("exec", "-i", here, "-l", "one", "--chdir", tmp_path, "--", "sh", "-c", 'echo "$PWD" "a  b"')
    assert f"{tmp_path} a  b" in done.out


def test_a_command_that_takes_too_long_is_killed(kprov: KPROV, here: Path) -> None:
    done = kprov("exec", "sleep 60", "-i", here, "-l", "one", "--timeout", "0.2")
    assert done.code == 1
    assert "still at work after 0.2 s" in done.out


def test_a_module_compares_changes_and_is_content(kprov: KPROV, here: Path, tmp_path: Path) -> None:
    words = (
        "module",
        "lineinfile",
        f"path={tmp_path}/f",
        "line=word {{ word }}",
        "create=yes",
        "-i",
        here,
        "-l",
        "web",
    )
    checked = kprov(*words, "--check", "--diff")
    assert checked.code == 0
    assert "two: changed: line added" in checked.out
    assert "+word same" in checked.out
    assert not (tmp_path / "f").exists()
    assert kprov(*words).code == 0
    assert (tmp_path / "f").read_text() == "word same\n"
    assert "two: ok" in kprov(*words).out


def test_results_for_programs(kprov: KPROV, here: Path) -> None:
    done = kprov("module", "ping", "data=x", "-i", here, "--output", "json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [(event["host"], event["status"]) for event in events[:-1]] == [
        ("one", "ok"), ("two", "ok"), ("gone", "unreachable"),
    ]  # fmt: skip
    assert events[0]["ping"] == "x"
    assert events[-1]["event"] == "summary"
    assert events[-1]["exit_code"] == done.code == 3


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["fil", "path=x"], "did you mean 'file'?"),
        (["yum", "name=x"], "kprov has no module 'yum', though Ansible has"),
        (["file", "paht=/x"], "kprov's file has no parameter 'paht'; did you mean 'path'?"),
        (["file", "path"], "'path' is no key=value"),
        (["file", "path=/x", "state=there"], "'state' must be one of"),
        (["set_fact", "a=1"], "done by the controller"),
        (["doc"], "name a module"),
        (["doc", "nosuch"], "there is no module 'nosuch'"),
    ],
)
def test_what_is_asked_wrongly_reaches_no_machine(kprov: KPROV, here: Path, words: list[str], error: str) -> None:
    done = kprov("module", *words, "-i", here)
    assert done.code == 2
    assert error in done.err


def test_a_bare_text_and_values_that_are_json(kprov: KPROV, here: Path) -> None:
    assert "  stdout: a=b" in kprov("module", "command", "echo a=b", "-i", here, "-l", "one").out
    assert "  stdout: a b" in kprov("module", "command", 'argv=["echo", "a b"]', "-i", here, "-l", "one").out


def test_modules_are_listed_and_explained(kprov: KPROV) -> None:
    assert "lineinfile" in kprov("module", "list").out
    listed = [json.loads(line)["name"] for line in kprov("module", "list", "--output", "json").out.splitlines()]
    assert {"copy", "template", "set_fact"} <= set(listed)
    page = kprov("module", "doc", "ansible.builtin.copy").out
    assert "= dest (path)\n    where it goes" in page
    assert "Returns:\n" in page
    data = json.loads(kprov("module", "doc", "file", "--output", "json").out)
    assert data["parameters"]["path"]["aliases"] == ["dest", "name"]


def test_a_file_of_the_controller_with_its_permissions_and_its_checksum(
    kprov: KPROV, here: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "run.sh", tmp_path / "out.sh"
    source.write_text("#!/bin/sh\n")
    source.chmod(0o751)
    words = ("module", "copy", f"src={source}", f"dest={target}", "mode=preserve", "-i", here, "-l", "one")
    assert "is bd971bec88149956458a10fc9c5ecb3eb99dd452, not 00" in kprov(*words, "checksum=00").out
    assert not target.exists()
    assert kprov(*words, "checksum=bd971bec88149956458a10fc9c5ecb3eb99dd452").code == 0
    assert target.stat().st_mode & 0o777 == 0o751
    assert "one: ok" in kprov(*words).out
