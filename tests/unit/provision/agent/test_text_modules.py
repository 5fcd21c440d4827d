"""lineinfile and blockinfile: what they promise holds for any file."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kprov.provision.agent import parameters
from kprov.provision.agent.call import Call
from kprov.provision.agent.modules import blockinfile, lineinfile

LINE = st.text(alphabet="abc =#", min_size=1, max_size=6)
TEXT = st.builds(
    lambda lines, end: "\n".join(lines) + ("\n" if end and lines else ""), st.lists(LINE, max_size=6), st.booleans()
)


def line_call(**arguments: Any) -> Call:
    return Call(parameters.coerce(lineinfile.PARAMETERS, {"path": "x", **arguments}))


def block_call(**arguments: Any) -> Call:
    return Call(parameters.coerce(blockinfile.PARAMETERS, {"path": "x", **arguments}))


@given(TEXT, LINE)
def test_line_is_there_afterwards_and_a_second_time_changes_nothing(text: str, line: str) -> None:
    call = line_call(line=line)
    once = lineinfile.edited(call, text)
    assert line in once.split("\n")
    assert lineinfile.edited(call, once) == once


@given(TEXT, LINE)
def test_other_lines_stay_in_order(text: str, line: str) -> None:
    once = lineinfile.edited(line_call(line=line), text)
    assert [kept for kept in once.split("\n") if kept and kept != line] == [
        kept for kept in text.split("\n") if kept and kept != line
    ]


@given(TEXT, LINE)
def test_absent_line_is_gone(text: str, line: str) -> None:
    once = lineinfile.edited(line_call(line=line, state="absent"), text)
    assert line not in once.split("\n")


@given(TEXT, LINE, st.sampled_from(["a", "b", "^c"]))
def test_regexp_replaces_the_last_match(text: str, line: str, pattern: str) -> None:
    once = lineinfile.edited(line_call(line=line, regexp=pattern), text)
    assert line in once.split("\n")
    if re.search(pattern, line):
        assert lineinfile.edited(line_call(line=line, regexp=pattern), once) == once


@given(TEXT, st.lists(LINE, min_size=1, max_size=3).map("\n".join))
def test_block_comes_and_goes_and_leaves_the_rest(text: str, block: str) -> None:
    once = blockinfile.edited(block_call(block=block), text)
    assert f"# BEGIN KPROV MANAGED BLOCK\n{block}\n# END KPROV MANAGED BLOCK" in once
    assert blockinfile.edited(block_call(block=block), once) == once
    gone = blockinfile.edited(block_call(block="", state="absent"), once)
    assert gone.rstrip("\n") == text.rstrip("\n") or gone.split() == text.split()


@pytest.mark.parametrize(
    ("arguments", "before", "after"),
    [
        ({"line": "new", "insertafter": "^b"}, "a\nb\nc\n", "a\nb\nnew\nc\n"),
        ({"line": "new", "insertbefore": "^b"}, "a\nb\nc\n", "a\nnew\nb\nc\n"),
        ({"line": "new", "insertbefore": "BOF"}, "a\n", "new\na\n"),
        ({"line": "new"}, "a", "a\nnew\n"),
        ({"line": r"x=\1!", "regexp": "^x=(.*)", "backrefs": True}, "x=1\n", "x=1!\n"),
        ({"line": r"x=\1!", "regexp": "^y=(.*)", "backrefs": True}, "x=1\n", "x=1\n"),
        ({"regexp": "^#", "state": "absent"}, "#a\nb\n#c\n", "b\n"),
    ],
)
def test_places(arguments: dict[str, Any], before: str, after: str) -> None:
    assert lineinfile.edited(line_call(**arguments), before) == after


def test_files_are_changed_once(module: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        assert "create: true" in module.fails("lineinfile", path=str(path), line="x").message
        assert module("lineinfile", path=str(path), line="x", create=True, mode="0600")["changed"]
        assert not module("lineinfile", path=str(path), line="x", create=True, mode="0600")["changed"]
        assert module("blockinfile", path=str(path), block="b")["changed"]
        assert module("blockinfile", check=True, path=str(path), block="c")["changed"] and "c" not in path.read_text()
        path.write_bytes(b"\xff\n")
        module("lineinfile", path=str(path), line="y")
        assert path.read_bytes() == b"\xff\ny\n"
