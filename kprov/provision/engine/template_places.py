"""Where in a template something is wrong, in a few words."""

from __future__ import annotations

import jinja2

_LONGEST = 300


def line_of(error: Exception, template: jinja2.Template) -> int | None:
    """The template's line that an error came from; None where that is not known."""
    name = template.filename or "<template>"
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def place(text: str, line: int | None) -> str:
    """A text as a message ends with it: whole where it is one line, else the line that is meant.

    Args:
        text: the template's.
        line: which of its lines, from 1; None: nobody knows.
    """
    lines = text.split("\n")  # as Jinja counts them
    if "\n" not in text.strip():
        where, words = "in", text.strip()
    elif line is not None and line <= len(lines):
        where, words = f"in line {line}", lines[line - 1].strip()
    else:
        where, words = "in what begins with", text.strip().split("\n")[0]
    return f" {where}: {words if len(words) <= _LONGEST else words[:_LONGEST] + ' ...'}"
