"""Modules that edit texts: what they promise holds for any file, whatever bytes are in it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from unified_diff import parse

from kprov.provision.agent import modules
from kprov.provision.agent.call import Call

# Lines of the words that the tasks below look for, of bytes that are no UTF-8, and of other ends of lines.
LINE = st.lists(
    st.sampled_from([b"a", b"b", b"= ", b"#", b"[s]", b" ", b"\xff", "é".encode(), "\u2028".encode(), b"\x0b", b"\t"]),
    max_size=4,
).map(b"".join)
END = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"])
DATA = st.builds(
    lambda lines, whole: b"".join(lines) if whole else b"".join(lines).rstrip(b"\r\n"),
    st.lists(st.builds(lambda line, end: line + end, LINE, END), max_size=7),
    st.booleans(),
)
WORD = st.text(alphabet="ab=#é ", min_size=1, max_size=4).filter(lambda text: text.strip())

many = settings(max_examples=80, deadline=None)


def edit(module: str, data: bytes, **arguments: Any) -> tuple[bytes, dict[str, Any]]:
    """Run a module on a file with this content; what the file is then, and the result. The diff is checked."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(data)
        call = Call(modules.arguments_of(module, {"path": str(path), **arguments}), diff=True)
        result = modules.execute(module, call)
        after = path.read_bytes()
    assert result["changed"] == (after != data)
    text = data.decode(errors="backslashreplace")
    for section in parse(result["diff"]):
        text = section.applied(text)
    assert text == after.decode(errors="backslashreplace")
    return after, result


def twice(module: str, data: bytes, **arguments: Any) -> bytes:
    """The same, and that a second time changes nothing."""
    once, _ = edit(module, data, **arguments)
    again, result = edit(module, once, **arguments)
    assert again == once
    assert not result["changed"]
    return once


def lines(data: bytes) -> list[bytes]:
    """A content's lines, without their ends."""
    return [line.rstrip(b"\r") for line in data.split(b"\n") if line.rstrip(b"\r")]


@many
@given(DATA, WORD, st.sampled_from([{}, {"insertafter": "^a"}, {"insertbefore": "b"}, {"insertbefore": "BOF"}]))
def test_a_line_is_there_afterwards_and_the_others_are_as_they_were(data: bytes, line: str, place: Any) -> None:
    once = twice("lineinfile", data, line=line, **place)
    assert line.encode() in lines(once)
    others = [kept for kept in lines(once) if kept != line.encode()]
    assert others == [kept for kept in lines(data) if kept != line.encode()]
    assert len(once) - len(data) <= len(line.encode()) + 4  # its own end, and one for the line before


@many
@given(DATA, WORD)
def test_an_absent_line_is_gone_and_nothing_else(data: bytes, line: str) -> None:
    once = twice("lineinfile", data, line=line, state="absent")
    assert lines(once) == [kept for kept in lines(data) if kept != line.encode()]


@many
@given(DATA, WORD, st.sampled_from(["a", "^#", "b$"]), st.booleans())
def test_one_line_that_matches_is_replaced(data: bytes, line: str, pattern: str, first: bool) -> None:
    once, _ = edit("lineinfile", data, line=line, regexp=pattern, firstmatch=first)
    assert line.encode() in lines(once)
    if re.search(pattern, line) and not first:
        assert edit("lineinfile", once, line=line, regexp=pattern)[0] == once
    if any(re.search(pattern, kept.decode(errors="surrogateescape")) for kept in data.split(b"\n")):
        assert once.count(b"\n") == data.count(b"\n")


@many
@given(DATA, st.lists(WORD, min_size=1, max_size=3).map("\n".join), st.sampled_from([{}, {"insertafter": "^a"}]))
def test_a_block_comes_and_goes_and_leaves_the_rest(data: bytes, block: str, place: Any) -> None:
    once = twice("blockinfile", data, block=block, **place)
    inner = once.replace(b"\r\n", b"\n").partition(b"# BEGIN ANSIBLE MANAGED BLOCK\n")[2]
    assert inner.partition(b"\n# END ANSIBLE MANAGED BLOCK")[0] == block.encode()
    gone = twice("blockinfile", once, state="absent")
    ended = gone[: len(data)] == data and gone[len(data) :] in (b"", b"\n", b"\r\n")
    assert gone == data or ended or (place and lines(gone) == lines(data))


@many
@given(DATA, st.text(alphabet="xyé", max_size=3))
def test_what_matches_is_replaced_and_nothing_else(data: bytes, new: str) -> None:
    once = twice("replace", data, regexp="ab?", replace=new)
    text = data.decode(errors="surrogateescape")
    assert once == re.sub("ab?", new, text, flags=re.MULTILINE).encode(errors="surrogateescape")


@many
@given(DATA, WORD.map(str.strip), st.sampled_from(["s", None]), st.booleans())
def test_an_option_is_set_once_and_the_rest_stays(data: bytes, value: str, section: str | None, spaces: bool) -> None:
    arguments = {"section": section, "option": "opt", "no_extra_spaces": not spaces}
    once = twice("ini_file", data, value=value, **arguments)
    wanted = f"opt{' = ' if spaces else '='}{value}".encode()
    assert lines(once).count(wanted) == 1
    added = {wanted, b"[s]"} if section else {wanted}
    assert [kept for kept in lines(once) if kept not in added] == [kept for kept in lines(data) if kept not in added]
    gone = twice("ini_file", once, state="absent", **arguments)
    assert wanted not in lines(gone)


@many
@given(DATA, st.sampled_from(["0", "1"]))
def test_a_kernel_parameter_has_one_line_in_its_file(data: bytes, value: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(data)
        given_arguments = {"name": "a.b", "value": value, "sysctl_file": str(path), "reload": False}
        call = Call(modules.arguments_of("sysctl", given_arguments), diff=True)
        assert modules.execute("sysctl", call)["changed"]
        once = path.read_bytes()
        assert not modules.execute("sysctl", call)["changed"]
        assert path.read_bytes() == once
    assert lines(once) == [*lines(data), f"a.b={value}".encode()]


def test_the_file_that_is_written_is_the_one_that_was_read(tmp_path: Path) -> None:
    """`link/../f` lies beside what the link leads to, not beside the link."""
    (tmp_path / "far/folder").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/folder")
    (tmp_path / "f").write_text("beside the link\n")
    (tmp_path / "far/f").write_text("a\n")
    call = Call(modules.arguments_of("lineinfile", {"path": f"{tmp_path}/link/../f", "line": "b"}))
    assert modules.execute("lineinfile", call)["changed"]
    assert (tmp_path / "far/f").read_text() == "a\nb\n"
    assert (tmp_path / "f").read_text() == "beside the link\n"
