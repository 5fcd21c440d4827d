"""Every command of the bare-metal guide is one that kprov has, with options that it has.

That they do what the guide says is shown on machines: `./dev guide` gives them in order, from bare machines on;
tests/integration/cluster (bundle, plan, up, verify) and tests/integration/daytwo (status, doctor, backup, etcd backup,
upgrade, --rollback, drift) run each of them, too.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import typer.main
from typer._click.exceptions import UsageError

from kprov.cli.main import _load, app
from kprov.cli.verbs import available

GUIDE = Path(__file__).resolve().parents[3] / "docs/bare-metal.md"
COMMANDS = [line.strip() for line in GUIDE.read_text().splitlines() if line.startswith("    kprov ")]


def test_the_guide_has_commands() -> None:
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_a_command_is_understood(line: str) -> None:
    parse(shlex.split(line)[1:])


@pytest.mark.parametrize("line", ["up --no-such-option", "etcd no-such-verb", "backup"])
def test_what_is_wrong_is_noticed(line: str) -> None:
    with pytest.raises(UsageError):
        parse(line.split())


def parse(words: list[str]) -> None:
    """Parse a command line as kprov does, and do nothing."""
    assert typer.main.get_command(app)
    name, *words = words
    command = _load(name, available()[name])
    while commands := getattr(command, "commands", None):
        if words[0] not in commands:
            raise UsageError(f"no command {words[0]}")
        command, words = commands[words[0]], words[1:]
    command.make_context(name, list(words))
