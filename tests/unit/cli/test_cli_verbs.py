"""The front door: help, exit codes, errors for people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kprov.cli import main as front_door
from kprov.cli.exit_codes import MEANINGS, ExitCode
from kprov.cli.verbs import VERBS, available
from kprov.provision.cluster.procedure import UnreachableError

Kprov = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[3]


def test_help_names_every_verb_and_exit_code(kprov: Kprov) -> None:
    done = kprov("--help")
    assert done.code == 0
    for verb in available():
        assert verb in done.out
    for meaning in MEANINGS.values():
        assert meaning.split(";")[0] in " ".join(done.out.split())


@pytest.mark.parametrize("verb", sorted(available()))
def test_every_verb_has_help(kprov: Kprov, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = kprov(verb, "--help")
    assert done.code == 0
    assert "<bool>" not in done.out and "<int> " not in done.out.partition("--verbose")[2].partition("\n")[0]
    assert "--install-completion" not in done.out  # of all verbs together, by `kprov` alone
    usage = next(line for line in done.out.splitlines() if "Usage:" in line).partition("[OPTIONS]")[2]
    assert usage.replace("list|doc", "") == usage.replace("list|doc", "").upper()


def test_help_is_filled_to_the_width_of_the_window(kprov: Kprov, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    line = "Changes nothing, waits for no other run, and shows machines that do not answer as such. Exit code 4 when"
    assert line in kprov("status", "--help").out
    assert "--install-completion" in kprov("--help").out


def test_help_imports_no_room() -> None:
    script = "import sys; from kprov.cli.main import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    modules = done.stdout.splitlines()[-1].split()
    slow = ("kprov.provision", "kprov.kube", "kprov.lab", "paramiko", "cryptography", "yaml")
    assert not [module for module in modules if module.startswith(slow)]


def test_version(kprov: Kprov) -> None:
    done = kprov("--version")
    assert (done.code, done.out) == (0, "kprov 0.1.0\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inventroy"], "did you mean inventory?"),
        (["quux"], "there are"),
        (["drain", "w1"], "did you mean kprov node drain?"),
        (["inventory", "list", "--nope"], "--nope"),
        (["inventory", "list", "-i", "/nonexistent.yaml"], "no such file"),
        (["inventory", "list", "-i", "a.yaml", "--inventory=b.yaml"], "--inventory is given 2 times"),
        (["inventory", "list", "-e", "novalue"], "not of the form key=value"),
        (["inventory", "list", "-e", "@/nonexistent"], "no such file"),
        (["inventory", "list", "-l", "cp9"], "did you mean cp1"),
        (["inventory", "explain", "cp9", "zone"], "did you mean cp1"),
        (["inventory", "list", "-e", "cluster_nmae=x"], "did you mean cluster_name?"),
    ],
)
def test_mistakes_end_with_2(kprov: Kprov, inventory_file: Path, arguments: list[str], message: str) -> None:
    if len(arguments) > 1 and "-i" not in arguments:
        arguments = [*arguments, "-i", str(inventory_file)]
    done = kprov(*arguments)
    assert done.code == ExitCode.USAGE
    assert message in " ".join(done.err.split())
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tags", "nosuch"), "no phase has a task that these tags choose"),
        (("--start-at-phase", "nosuch"), 'there is no phase "nosuch"'),
    ],
)
@pytest.mark.parametrize("verb", ["up", "plan"])
def test_a_wrong_selection_waits_for_nobody(
    kprov: Kprov,
    monkeypatch: pytest.MonkeyPatch,
    inventory_file: Path,
    verb: str,
    options: tuple[str, ...],
    message: str,
) -> None:
    def held(*args: object) -> None:
        raise AssertionError("the bundle is asked for")

    monkeypatch.setattr("kprov.cli.bundle_source.complete_bundle", held)
    done = kprov(verb, inventory_file, *options)
    assert done.code == ExitCode.USAGE, done.err
    assert message in " ".join(done.err.split())


def test_a_reset_needs_nothing_but_the_inventory(
    kprov: Kprov, monkeypatch: pytest.MonkeyPatch, inventory_file: Path
) -> None:
    def silent(*args: object, **kwargs: object) -> None:
        raise UnreachableError(["cp1: timed out"])

    monkeypatch.setattr("kprov.provision.cluster.operation.connect", silent)
    done = kprov("reset", inventory_file, "--yes")  # there is no state directory
    assert done.code == ExitCode.UNREACHABLE and "cp1: timed out" in done.err + done.out, done
    refused = kprov("node", "remove", "node1", "-i", inventory_file, "--yes")
    assert refused.code == ExitCode.FAILED and "authorities of demo are not in" in refused.err + refused.out, refused


def test_errors_as_json(kprov: Kprov, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("all:\n  host: {}\n")
    done = kprov("inventory", "list", "-i", path, "-o", "json")
    event = json.loads(done.out)
    assert (done.code, event["event"], event["exit_code"]) == (2, "error", 2)
    assert {
        "file": str(path),
        "line": 2,
        "message": "unknown key host in group all",
        "suggestion": "did you mean hosts?",
    } in event["problems"]


class TestFaults:
    @pytest.fixture
    def broken(self, monkeypatch: pytest.MonkeyPatch, inventory_file: Path) -> Path:
        def fail(*args: object, **kwargs: object) -> None:
            raise ZeroDivisionError("oops")

        monkeypatch.setattr("kprov.cli.inventory_source.open_inventory", fail)
        return inventory_file

    def test_a_fault_shows_no_traceback(self, kprov: Kprov, broken: Path) -> None:
        done = kprov("inventory", "list", "-i", broken)
        assert done.code == 1
        assert done.err == "kprov: ZeroDivisionError: oops (this is a fault in kprov: -vvv shows where)\n"

    @pytest.mark.parametrize("where", [0, 2])
    def test_unless_asked(self, kprov: Kprov, broken: Path, where: int) -> None:
        arguments = ["inventory", "list", "-i", str(broken)]
        arguments.insert(where, "-vvv")
        assert "Traceback" in kprov(*arguments).err

    def test_interrupted(self, kprov: Kprov, monkeypatch: pytest.MonkeyPatch, inventory_file: Path) -> None:
        def interrupt(*args: object, **kwargs: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("kprov.cli.inventory_source.open_inventory", interrupt)
        done = kprov("inventory", "list", "-i", inventory_file)
        assert done.code == 130
        assert "interrupted" in done.err


def test_exit_codes_are_documented() -> None:
    text = (ROOT / "docs/reference/exit-codes.md").read_text()
    for code in ExitCode:
        assert f"| {code.value} |" in text


def test_every_verb_in_the_table_is_in_its_own_file() -> None:
    assert all(name == verb.module for name, verb in VERBS.items())
    assert front_door.app


def test_completion_knows_the_verbs() -> None:
    environment = {**os.environ, "_KPROV_COMPLETE": "complete_bash", "COMP_WORDS": "kprov inv", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from kprov.cli.main import main; main()"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "inventory" in done.stdout
