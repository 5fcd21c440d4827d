"""What programs said, line by line: made of the text here, so that it does not travel twice."""

from __future__ import annotations

from typing import Any

from kprov.provision.agent.wire import MOST_VALUES


def add_lines(result: dict[str, Any]) -> None:
    """Add `stdout_lines` and `stderr_lines` to a result that has what a program said."""
    for name in ("stdout", "stderr"):
        text = result.get(name)
        if not isinstance(text, str) or f"{name}_lines" in result:
            continue
        if text.count("\n") > MOST_VALUES:  # as many lists of machines' making as there is memory for
            result.update(failed=True, msg=f"it was done, but said more than {MOST_VALUES} lines: keep them in a file")
            result[name] = ""
        result[f"{name}_lines"] = result[name].splitlines()
