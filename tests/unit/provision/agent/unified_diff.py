"""Reads unified diffs strictly, and applies them: whoever is shown a diff may trust it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@$")
_BINARY = re.compile(r"^Binary files .+ \(\d+ bytes\) and .+ \(\d+ bytes\) differ$")


@dataclass
class Section:
    """What a diff says of one file."""

    old: str
    new: str
    hunks: list[tuple[int, list[str], list[str]]] = field(default_factory=list)

    def applied(self, before: str) -> str:
        """The new text, from the old one; every line that the diff takes for old must be there."""
        lines = before.split("\n")
        lines = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
        shift = 0
        for start, old, new in self.hunks:
            index = start - 1 + shift if old else start + shift
            assert lines[index : index + len(old)] == old, f"the diff's old lines are not in the file: {old}"
            lines[index : index + len(old)] = new
            shift += len(new) - len(old)
        return "".join(lines)


def parse(text: str) -> list[Section]:
    """The sections of a diff; every line must have its place in one."""
    sections: list[Section] = []
    lines = text.split("\n")
    assert lines.pop() == "", "a diff ends with a newline"
    while lines:
        line = lines.pop(0)
        if _BINARY.match(line):
            continue
        assert line.startswith("--- "), f"not the begin of a section: {line!r}"
        assert lines[0].startswith("+++ "), f"not the second line of a section: {lines[0]!r}"
        section = Section(line[4:], lines.pop(0)[4:])
        while lines and (match := _HUNK.match(lines[0])):
            lines.pop(0)
            wanted_old, wanted_new = int(match[2] or 1), int(match[4] or 1)
            old: list[str] = []
            new: list[str] = []
            last = ""
            while (
                lines
                and lines[0][:1] in (" ", "-", "+", "\\")
                and not (len(old) == wanted_old and len(new) == wanted_new and not lines[0].startswith("\\"))
            ):
                kind, rest = lines[0][:1], lines[0][1:] + "\n"
                lines.pop(0)
                if kind == "\\":
                    for side in (old, new) if last == " " else (old,) if last == "-" else (new,):
                        side[-1] = side[-1][:-1]
                    continue
                last = kind
                if kind in " -":
                    old.append(rest)
                if kind in " +":
                    new.append(rest)
            assert (len(old), len(new)) == (wanted_old, wanted_new), f"a hunk's counts are wrong: {match[0]}"
            section.hunks.append((int(match[1]), old, new))
        assert section.hunks, f"a section without a hunk: {section.old}"
        sections.append(section)
    return sections
