"""Arguments written as one text: `src=a dest=b mode=0644`, and commands with `creates=` among their words."""

from __future__ import annotations

import re

_PAIR = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$", re.DOTALL)

# What a command's text may set beside the command itself.
_COMMAND_PAIRS = frozenset(
    {"creates", "removes", "chdir", "executable", "warn", "stdin", "stdin_add_newline", "strip_empty_ends"}
)


def split(text: str) -> list[str]:
    """The words of a text: quotes and braces hold them together, and stay where they are.

    Raises:
        ValueError: a quote or a brace is never closed.
    """
    words: list[str] = []
    word, quote, depth = "", "", 0
    index = 0
    while index < len(text):
        two = text[index : index + 2]
        mark = text[index]
        if not quote and two in ("{{", "{%", "{#"):
            depth += 1
            word, index = word + two, index + 2
            continue
        if not quote and depth and two in ("}}", "%}", "#}"):
            depth -= 1
            word, index = word + two, index + 2
            continue
        if not depth and mark in "\"'" and (index == 0 or text[index - 1] != "\\"):
            quote = "" if quote == mark else quote or mark
        if mark.isspace() and not quote and not depth:
            if word:
                words.append(word)
            word = ""
        else:
            word += mark
        index += 1
    if quote or depth:
        raise ValueError(f"wrong syntax: {'a quote' if quote else 'a brace'} is never closed in: {text}")
    return [*words, word] if word else words


def unquoted(text: str) -> str:
    """A text without the quotes that it stands in."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" and text[-2] != "\\":
        return text[1:-1]
    return text


def pairs(text: str) -> tuple[dict[str, str], list[str]]:
    """`key=value` words as a mapping, and the words that are none.

    Raises:
        ValueError: a quote or a brace is never closed.
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    for word in split(text):
        match = _PAIR.match(word)
        if match is None:
            rest.append(unquoted(word))
        else:
            found[match[1]] = unquoted(match[2])
    return found, rest


def command(text: str) -> tuple[str, dict[str, str]]:
    """A command and what its text sets beside it.

    Raises:
        ValueError: a quote or a brace is never closed.
    """
    found: dict[str, str] = {}
    words = split(text)
    kept = []
    for word in words:
        match = _PAIR.match(word)
        if match is not None and match[1] in _COMMAND_PAIRS:
            found[match[1]] = unquoted(match[2])
        else:
            kept.append(word)
    return (text if not found else " ".join(kept)), found
