"""Differences between what is there and what should be, as a person reads them."""

from __future__ import annotations

import difflib

# difflib's time grows with the square of what differs: beyond this a diff says sizes only.
LARGEST_DIFF = 256 * 1024


def text_of(data: bytes) -> str | None:
    """The bytes as text, or None where they are no text."""
    if b"\0" in data[:8192]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def unified(before: bytes | None, after: bytes | None, path: str) -> str:
    """A unified diff of a file's content.

    Args:
        before: the content now, None where there is no file.
        after: the content to come, None where the file goes away.
        path: what the diff names.
    """
    old_text, new_text = text_of(before or b""), text_of(after or b"")
    old_name = path if before is not None else "/dev/null"
    new_name = path if after is not None else "/dev/null"
    if old_text is None or new_text is None or len(old_text) + len(new_text) > LARGEST_DIFF:
        return "--- %s (%d bytes)\n+++ %s (%d bytes)\n" % (old_name, len(before or b""), new_name, len(after or b""))
    lines: list[str] = []
    for line in difflib.unified_diff(old_text.splitlines(True), new_text.splitlines(True), old_name, new_name):
        lines.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(lines)


def values(changes: list[tuple[str, object, object]], path: str) -> str:
    """A diff of named values (mode, owner, state), one line each side."""
    if not changes:
        return ""
    lines = ["--- %s\n+++ %s\n" % (path, path)]
    for name, before, after in changes:
        if before is not None:
            lines.append("-%s: %s\n" % (name, before))
        if after is not None:
            lines.append("+%s: %s\n" % (name, after))
    return "".join(lines)
