"""Regular expressions of users: as upstream reads them, in time that grows with the text and nothing else.

Patterns in the schemas of custom kinds, and those of rules in CEL, are written for Go's engine, which is RE2 in another
language. Python's own reads them differently, takes what upstream refuses (look-aheads, back references), and one
pattern of the kind ``(a+)+$`` holds the whole server up for as long as it likes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

_MOST = 1024


class PatternError(ValueError):
    """The text is no regular expression."""


@lru_cache(maxsize=_MOST)
def pattern_of(text: str) -> Any:
    """A compiled pattern: ``search``, ``fullmatch`` and ``finditer`` as Python's have them.

    Raises:
        PatternError: it is none.
    """
    import re2  # rare: only servers that meet a pattern pay for it

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        said = error.args[0] if error.args else error
        words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise PatternError(f"error parsing regexp: {words}") from None
