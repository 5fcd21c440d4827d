"""What a module says of its parameters together: one of these, not both of those, this with that.

A module declares them under Ansible's names for them: REQUIRES_ONE_OF, MUTUALLY_EXCLUSIVE, REQUIRED_TOGETHER
(each a list of groups of names), REQUIRED_IF (a list of (name, value, (names...)), all of them needed then) and
REQUIRED_BY ({name: (names...)}).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable


def broken(
    module: object,
    given: Mapping[str, Any],
    coerced: Mapping[str, Any],
    open_value: Callable[[Any], bool] | None = None,
) -> list[str]:
    """The rules of a module that its arguments break.

    Args:
        module: the module's code.
        given: the arguments as written, by their own names.
        coerced: the same with defaults.
        open_value: says that a value is not known yet: it may come to be none at all.

    Returns:
        One sentence a broken rule, to follow the module's name.
    """
    declared = vars(module)
    there = {name for name, value in given.items() if value is not None}
    problems: list[str] = []
    for names in declared.get("REQUIRES_ONE_OF", ()):
        if not there.intersection(names):
            problems.append("needs one of %s" % ", ".join(name for name in names if name[0] != "_"))
    for names in declared.get("MUTUALLY_EXCLUSIVE", ()):
        found = [name for name in names if name in there and not (open_value and open_value(given[name]))]
        if len(found) > 1:
            problems.append("takes only one of %s" % " and ".join("'%s'" % name for name in found))
    for names in declared.get("REQUIRED_TOGETHER", ()):
        missing = [name for name in names if name not in there]
        if missing and len(missing) < len(names):
            problems.append("needs '%s' together with '%s'" % (missing[0], next(n for n in names if n in there)))
    for name, value, names in declared.get("REQUIRED_IF", ()):
        if coerced.get(name) == value:
            shown = str(value).lower() if isinstance(value, bool) else value
            problems += ["needs '%s' when '%s' is %s" % (each, name, shown) for each in names if each not in there]
    for name, names in declared.get("REQUIRED_BY", {}).items():
        if name in there:
            problems += ["needs '%s' when '%s' is given" % (each, name) for each in names if each not in there]
    return problems
