"""$(VAR) references in commands, arguments and values."""

from __future__ import annotations

import re
from collections.abc import Mapping

# $$ escapes; $(NAME) refers; any other dollar is itself
_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


def expand(text: str, *scopes: Mapping[str, str]) -> str:
    """``text`` with each $(NAME) replaced from the first scope that has it; unknown references stay as they are."""
    if "$" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        for scope in scopes:
            if match[2] in scope:
                return scope[match[2]]
        return match[0]

    return _REFERENCE.sub(value, text)
