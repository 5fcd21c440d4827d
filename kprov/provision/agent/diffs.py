"""Differences between what is there and what should be, as a person reads them."""

from __future__ import annotations

import difflib

# difflib's time grows with the square of what differs: beyond this a diff says sizes only.
LARGEST_DIFF = 256 * 1024


def text_of(data: bytes) -> str | None:
    """The bytes as text, those that are no UTF-8 as escapes; None where they are no text at all."""
    if b"\0" in data:
        return None
    return data.decode(errors="backslashreplace")


def lines_of(text: str) -> list[str]:
    """A text's lines with their ends, as every tool for files counts them: only a newline ends a line."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def unified(before: bytes | None, after: bytes | None, path: str) -> str:
    """A unified diff of a file's content.

    Args:
        before: the content now, None where there is no file.
        after: the content to come, None where the file goes away.
        path: what the diff names.
    """
    old_name = path if before is not None else "/dev/null"
    new_name = path if after is not None else "/dev/null"
    old, new = before or b"", after or b""
    if old == new:  # at most, there is an empty file where there was none
        return "" if (before is None) == (after is None) else values([("state", "absent", "file")], path)
    small = len(old) + len(new) <= LARGEST_DIFF
    old_text, new_text = (text_of(old), text_of(new)) if small else (None, None)
    if old_text is None or new_text is None:
        return differ(old_name, len(old), new_name, len(new))
    lines: list[str] = []
    for line in difflib.unified_diff(lines_of(old_text), lines_of(new_text), old_name, new_name):
        lines.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(lines)


def differ(old_name: str, old_size: int, new_name: str, new_size: int) -> str:
    """What is said of contents that are no text, or too large to be shown."""
    return "Binary files %s (%d bytes) and %s (%d bytes) differ\n" % (old_name, old_size, new_name, new_size)


def values(changes: list[tuple[str, object, object]], path: str) -> str:
    """A unified diff of what is no content: mode, owner, state. One `name: value` a line; None is no line.

    Args:
        changes: (name, before, after).
        path: what they belong to; the diff says that these are its attributes, so that no tool takes them for lines.
    """
    if not changes:
        return ""
    before = ["%s: %s\n" % (name, _shown(old)) for name, old, _ in changes if old is not None]
    after = ["%s: %s\n" % (name, _shown(new)) for name, _, new in changes if new is not None]
    title = "%s (attributes)" % path
    return "".join(difflib.unified_diff(before, after, title, title))


def _shown(value: object) -> str:
    """A value on one line."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("\n", "\\n")
