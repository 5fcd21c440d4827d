"""What is typed becomes a value without typer's own, slow way, and wrong values are still refused in its words."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer._coercion import build_runtime_param
from typer.testing import CliRunner

from kprov.cli.plain_values import take_plain_values


class Form(StrEnum):
    """A choice."""

    TEXT = "text"
    YAML = "yaml"


def _app(seen: list[Any]) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    def command(
        word: str,
        files: Annotated[list[Path] | None, typer.Option()] = None,
        number: Annotated[int, typer.Option(min=1, max=9)] = 3,
        share: Annotated[float, typer.Option()] = 0.5,
        form: Annotated[Form, typer.Option()] = Form.TEXT,
        flag: Annotated[bool, typer.Option()] = False,
        texts: Annotated[list[str] | None, typer.Option()] = None,
        found: Annotated[Path | None, typer.Option(exists=True, dir_okay=False)] = None,
    ) -> None:
        seen.append((word, files, number, share, form, flag, texts, found))

    return app


COMMAND_LINES = {
    "nothing but what must be": ["w"],
    "every option": [
        "w",
        "--files",
        "a",
        "--files",
        "b/c",
        "--number",
        "7",
        "--form",
        "yaml",
        "--flag",
        "--texts",
        "x",
    ],
    "a float": ["w", "--share", "0.25"],
    "a file that is there": ["w", "--found", __file__],
    "a number too small": ["w", "--number", "0"],
    "a number too large": ["w", "--number", "10"],
    "no number": ["w", "--number", "x"],
    "a number with a sign": ["w", "--number", "+4"],
    "a number in other digits": ["w", "--number", "\u0664"],
    "a huge number": ["w", "--number", "9" * 30],
    "no choice": ["w", "--form", "jsonn"],
    "a file that is not there": ["w", "--found", "/nowhere/at/all"],
    "a folder instead of a file": ["w", "--found", "/"],
    "nothing": [],
}


@pytest.mark.parametrize("arguments", COMMAND_LINES.values(), ids=COMMAND_LINES)
def test_as_typer_takes_them(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    parameter: Any = typer.core._TyperParameter
    quick: list[Any] = []
    own: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(parameter, "get_runtime_param", parameter.get_runtime_param)
        take_plain_values()
        first = CliRunner().invoke(_app(quick), arguments)
    with monkeypatch.context() as patch:
        patch.setattr(parameter, "get_runtime_param", _TYPERS_OWN)
        second = CliRunner().invoke(_app(own), arguments)
    assert (first.exit_code, first.output) == (second.exit_code, second.output)
    assert quick == own
    assert repr(quick) == repr(own)


def _typers_own(self: Any) -> Any:
    if self._runtime_param is None:
        self._runtime_param = build_runtime_param(self.type_descriptor)
    return self._runtime_param


_TYPERS_OWN = _typers_own


def test_pydantic_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "play.yaml").write_text("- hosts: all\n  gather_facts: false\n  tasks: [{debug: {msg: x}}]\n")
    (tmp_path / "hosts").write_text("h ansible_connection=local\n")
    program = (
        "import sys; from kprov.cli.main import run\n"
        "code = run(['run', 'play.yaml', '-i', 'hosts', '--syntax-check', '--forks', '4'])\n"
        "assert code == 0, code\n"
        "assert 'pydantic' not in sys.modules and 'paramiko' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
