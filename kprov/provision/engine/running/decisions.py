"""What the controller decides by itself: set_fact, assert, fail, debug, include_vars, pause, group_by, ..."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kprov.provision.agent.parameters import WrongArguments, coerce
from kprov.provision.engine import documents
from kprov.provision.engine.argument_specs import wrong_arguments
from kprov.provision.engine.control_modules import CONTROL
from kprov.provision.engine.documents import Problem, plain
from kprov.provision.engine.interpreter_turn import TURN
from kprov.provision.engine.module_names import refuse_left_out
from kprov.provision.engine.roles import Role
from kprov.provision.engine.running.context import RunContext
from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task

Decision = Callable[[Task, Role, Scope, HostSession], dict[str, Any]]
ForTheRun = Callable[[dict[str, Any], HostSession, RunContext], dict[str, Any]]


def decide(task: Task, role: Role, scope: Scope, session: HostSession, run: RunContext) -> dict[str, Any]:
    """Do one of them; returns its result."""
    if task.module in _FOR_THE_RUN:
        return _FOR_THE_RUN[task.module](role.templar.render(task.arguments, scope), session, run)
    try:
        return _DECISIONS[task.module](task, role, scope, session)
    except KeyError:
        refuse_left_out(task.module, role.templar.render(task.arguments, scope))
        raise


def _set_fact(arguments: dict[str, Any], session: HostSession, run: RunContext) -> dict[str, Any]:
    values = {key: value for key, value in arguments.items() if key != "cacheable"}
    session.registered.update(values)
    if str(arguments.get("cacheable", False)).lower() in ("true", "yes", "on", "1"):
        run.variables.learn(session, values)  # facts, too, until facts are cleared; what was set is the stronger
    return {"changed": False, "ansible_facts": values}


def _assert(task: Task, role: Role, scope: Scope, session: HostSession) -> dict[str, Any]:
    that = task.arguments["that"]
    for condition in that if isinstance(that, list) else [that]:
        if not role.templar.is_true(condition, scope):
            text = task.arguments.get("fail_msg") or task.arguments.get("msg")
            return {
                "failed": True,
                "msg": _text(role.templar.render(text, scope)) if text else f"not true: {condition}",
                "assertion": str(condition),
                "evaluated_to": False,
            }
    text = task.arguments.get("success_msg")
    return {"changed": False, "msg": _text(role.templar.render(text, scope)) if text else "All assertions passed"}


def _text(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _fail(task: Task, role: Role, scope: Scope, session: HostSession) -> dict[str, Any]:
    text = task.arguments.get("msg", "Failed as requested from task")
    return {"failed": True, "msg": _text(role.templar.render(text, scope))}


def _debug(task: Task, role: Role, scope: Scope, session: HostSession) -> dict[str, Any]:
    if int(task.arguments.get("verbosity") or 0) > 0:
        return {"changed": False, "skipped": True, "skip_reason": "it is shown only where more is asked for"}
    if "var" in task.arguments:
        name = str(role.templar.render(task.arguments["var"], scope))
        try:
            shown = role.templar.evaluate(name, scope)
        except TemplateProblem as problem:
            shown = f"VARIABLE IS NOT DEFINED!: {problem}"
        return {"changed": False, name: shown, "msg": f"{name}: {shown}"}
    return {
        "changed": False,
        "msg": role.templar.render(task.arguments.get("msg", "Hello world!"), scope),
    }


def _include_vars(task: Task, role: Role, scope: Scope, session: HostSession) -> dict[str, Any]:
    arguments = role.templar.render(task.arguments, scope)
    found: dict[str, Any] = {}
    files = _variable_files(arguments, role, scope)
    for path in files:
        problems: list[Problem] = []
        values = documents.load(path, problems, role.files.shown(path), role.files.vault)
        if problems:
            raise TemplateProblem("; ".join(map(str, problems)))
        if values is not None and not isinstance(values, Mapping):
            raise TemplateProblem(f"{path} must be a mapping of variables")
        found.update(plain(values or {}))
    name = arguments.get("name")
    included = {str(name): found} if name else found
    session.included.update(included)
    return {"changed": False, "ansible_included_var_files": [str(path) for path in files]}


def _variable_files(arguments: Mapping[str, Any], role: Role, scope: Scope) -> list[Path]:
    for unknown in ("depth", "files_matching", "ignore_files", "hash_behaviour"):
        if arguments.get(unknown) is not None:
            raise TemplateProblem(f"kprov's include_vars has no '{unknown}': name the files")
    if arguments.get("dir"):
        folder = role.templar.search_path.find("vars", str(arguments["dir"]))
        if folder is None or not folder.is_dir():
            raise TemplateProblem(f"include_vars: there is no folder {arguments['dir']}")
        return sorted(
            path for path in folder.rglob("*") if path.suffix in (".yml", ".yaml", ".json") and path.is_file()
        )
    if not arguments.get("file"):
        raise TemplateProblem("include_vars needs 'file' or 'dir'")
    found = role.templar.search_path.find("vars", str(arguments["file"]))
    if found is None:
        places = ", ".join(str(place) for place in role.templar.search_path.places("vars", str(arguments["file"])))
        raise TemplateProblem(f"include_vars: there is no file {arguments['file']}; looked for {places}")
    return [found]


def _pause(task: Task, role: Role, scope: Scope, session: HostSession) -> dict[str, Any]:
    arguments = role.templar.render(task.arguments, scope)
    seconds = float(arguments.get("seconds") or 0) + 60 * float(arguments.get("minutes") or 0)
    if not arguments:
        raise TemplateProblem("kprov asks nobody in the middle of a run: give pause seconds or minutes")
    with TURN.waiting():
        time.sleep(seconds)
    return {"changed": False, "delta": seconds, "rc": 0, "stdout": f"Paused for {seconds:g} seconds", "stderr": ""}


def _group_by(task: Task, role: Role, scope: Scope, session: HostSession) -> dict[str, Any]:
    arguments = role.templar.render(task.arguments, scope)
    group = str(arguments["key"]).replace(" ", "-")
    session.join(group)
    for parent in arguments.get("parents") or []:
        session.join(str(parent).replace(" ", "-"))
    return {"changed": False, "add_group": group}


def _add_host(arguments: dict[str, Any], session: HostSession, run: RunContext) -> dict[str, Any]:
    given = next((arguments[key] for key in ("name", "hostname", "host") if arguments.get(key)), None)
    if given is None:
        raise TemplateProblem("add_host needs 'name': the host's")
    name, port = _name_and_port(str(given))
    groups: Any = next((arguments[key] for key in ("groupname", "groups", "group") if arguments.get(key)), [])
    names = groups.split(",") if isinstance(groups, str) else [str(group) for group in groups]
    names = list(dict.fromkeys(group.strip() for group in names if group.strip()))
    own = {"name", "hostname", "host", "groupname", "groups", "group"}
    variables = {key: value for key, value in arguments.items() if key not in own}
    if port:
        variables["ansible_port"] = int(port)
    try:
        changed = run.add_host(name, names, variables)
    except ValueError as error:
        return {"failed": True, "msg": f"host {name} can't be added: {error}"}
    return {"changed": changed, "add_host": {"host_name": name, "groups": names, "host_vars": variables}}


def _name_and_port(given: str) -> tuple[str, str]:
    """`name:22`, `[2001:db8::1]:22`: what stands behind the name is its port."""
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:]+)):(\d+)", given)
    return (match[1] or match[2], match[3]) if match else (given, "")


def _set_stats(arguments: dict[str, Any], session: HostSession, run: RunContext) -> dict[str, Any]:
    try:
        stats = coerce(CONTROL["set_stats"] or {}, arguments)
    except WrongArguments as wrong:
        return {"failed": True, "msg": f"set_stats {wrong}"}
    no_names = [str(name) for name in stats["data"] if not str(name).isidentifier()]
    if no_names:
        return {"failed": True, "msg": f"set_stats: {', '.join(no_names)} can't be a variable's name"}
    run.account.stats.add(session.name if stats["per_host"] else None, stats["data"], aggregate=stats["aggregate"])
    return {"changed": False, "ansible_stats": stats}


def _validate_argument_spec(task: Task, role: Role, scope: Scope, session: HostSession) -> dict[str, Any]:
    arguments = role.templar.render(task.arguments, scope)
    provided = arguments.get("provided_arguments") or {}
    spec = arguments["argument_spec"]
    given = {
        name: provided[name] if name in provided else scope[name] for name in spec if name in provided or name in scope
    }
    problems = wrong_arguments(spec, given)
    if problems:
        return {"failed": True, "msg": "; ".join(problems), "argument_errors": problems}
    return {"changed": False, "msg": "The arg spec validation passed"}


_FOR_THE_RUN: dict[str, ForTheRun] = {"add_host": _add_host, "set_fact": _set_fact, "set_stats": _set_stats}

_DECISIONS: dict[str, Decision] = {
    "assert": _assert,
    "debug": _debug,
    "fail": _fail,
    "group_by": _group_by,
    "include_vars": _include_vars,
    "pause": _pause,
    "validate_argument_spec": _validate_argument_spec,
}
