"""`module_defaults`: parameters that tasks of a module get where they do not say otherwise.

Source: ansible-core's `_get_action_arg_defaults`. Of several that say something of the same module the innermost holds,
whole: they are not merged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kprov.provision.engine.documents import Lines, plain
from kprov.provision.engine.module_names import closest, is_foreign, own_name, specification, wrong_arguments
from kprov.provision.engine.tasks import Task, is_open

Tell = Callable[[int, str, str], None]

# Modules that choose another one for their work take its defaults, too.
_WORKED_FOR = {"package": "apt", "service": "systemd"}


def read(entry: Lines, tell: Tell) -> dict[str, Any]:
    """What the keyword says, by the modules' own names.

    Args:
        entry: what has the keyword, or has not.
        tell: told of mistakes: line, message, suggestion.
    """
    value = entry.get("module_defaults")
    if value is None:
        return {}
    line = entry.key_lines["module_defaults"]
    found: dict[str, Any] = {}
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, dict):
            tell(line, "'module_defaults' must be a mapping of modules to their parameters", "")
            return {}
        for name, given in part.items():
            if str(name).startswith("group/"):
                tell(line, f"kprov has no groups of modules ({name})", "name the modules one by one")
            elif is_open(given) and not isinstance(given, dict):
                tell(line, f"the parameters of {name} are known only later", "write a template for each of them")
            elif not isinstance(given or {}, dict):
                tell(line, f"the parameters of {name} must be a mapping, not '{given}'", "")
            elif own_name(str(name)) is None and not is_foreign(str(name)):
                near = closest(str(name))
                tell(line, f"'module_defaults' names no module: {name}", f"did you mean '{near}'?" if near else "")
            else:
                found[own_name(str(name)) or str(name)] = dict(plain(given or {}))
    return found


def with_defaults(task: Task) -> Task:
    """A task with the parameters that it does not name itself."""
    given = _given(task.module, task.defaults)
    if not given or own_name(task.module) is None:
        return task
    arguments = _arguments(task, given)
    wrong = wrong_arguments(task.module, arguments)
    return replace(
        task,
        arguments=arguments,
        unsupported="; ".join(f"kprov's {task.module} {problem}" for problem in wrong),
    )


def wrong_arguments_of(task: Task, outer: Mapping[str, Any]) -> list[str]:
    """What is wrong with a task's arguments where those that it leaves out are taken from around it.

    Args:
        task: as it is read, with what the blocks around it say.
        outer: what is said around all of them.
    """
    return wrong_arguments(task.module, _arguments(task, _given(task.module, {**outer, **task.defaults})))


def _given(module: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {**(defaults.get(_WORKED_FOR.get(module, "")) or {}), **(defaults.get(module) or {})}


def _arguments(task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    names = _names(task.module)
    own = {names.get(name, name) for name in task.arguments}
    return {**{name: value for name, value in given.items() if names.get(name, name) not in own}, **task.arguments}


def _names(module: str) -> dict[str, str]:
    """A module's parameters' own names, by each that they have."""
    parameters = specification(module) or {}
    return {alias: name for name, parameter in parameters.items() for alias in (name, *parameter.aliases)}
