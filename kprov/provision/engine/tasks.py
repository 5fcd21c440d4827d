"""A task as written in a role: read strictly, every unknown word an error with the nearest right one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from kprov.provision.agent import modules
from kprov.provision.agent.parameters import Specification, WrongArguments, coerce, nearest
from kprov.provision.engine.actions import ACTIONS, CONTROL
from kprov.provision.engine.documents import Lines, Problem, plain

KEYWORDS = frozenset(
    {
        "args",
        "become",
        "become_method",
        "become_user",
        "block",
        "changed_when",
        "check_mode",
        "delay",
        "diff",
        "environment",
        "failed_when",
        "ignore_errors",
        "listen",
        "loop",
        "loop_control",
        "name",
        "no_log",
        "notify",
        "register",
        "retries",
        "run_once",
        "tags",
        "until",
        "vars",
        "when",
    }
)

ELSEWHERE = {
    "delegate_to": "use a procedure (engine.module on the other host)",
    "rescue": "a failed host stops; use failed_when or a procedure",
    "always": "a failed host stops; use failed_when or a procedure",
    "with_items": "write loop",
    "with_dict": 'write loop: "{{ x | dict2items }}"',
    "local_action": "use a procedure",
    "async": "write the module's own timeout",
    "poll": "write the module's own timeout",
    "ignore_unreachable": "an unreachable host is never passed over in silence",
    "any_errors_fatal": "say it in the phase",
    "throttle": "say it in the phase (serial)",
    "hosts": "phases choose hosts, roles do not",
    "roles": "phases choose roles",
    "collections": "leave it out",
}


@dataclass(frozen=True)
class Task:
    """One task."""

    name: str
    module: str
    arguments: dict[str, Any]
    role: str
    file: str
    line: int
    when: tuple[Any, ...] = ()
    loop: Any = None
    loop_var: str = "item"
    index_var: str | None = None
    label: Any = None
    register: str | None = None
    notify: tuple[Any, ...] = ()
    tags: frozenset[str] = frozenset()
    become_user: Any = None
    changed_when: tuple[Any, ...] | None = None
    failed_when: tuple[Any, ...] | None = None
    check_mode: bool | None = None
    diff: bool | None = None
    no_log: bool = False
    ignore_errors: Any = False
    run_once: bool = False
    retries: Any = None
    until: tuple[Any, ...] = ()
    delay: Any = 5
    variables: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    listen: tuple[str, ...] = ()

    @property
    def location(self) -> str:
        """file:line."""
        return f"{self.file}:{self.line}"


def _list(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def is_open(value: Any) -> bool:
    """Whether a value holds a template, so that it is known only when the task runs."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(is_open(item) for item in value.values())
    if isinstance(value, list):
        return any(is_open(item) for item in value)
    return False


class TaskReader:
    """Reads a file's tasks.

    Args:
        role: whose.
        file: its name, for messages.
        problems: where mistakes are collected.
    """

    def __init__(self, role: str, file: str, problems: list[Problem]) -> None:
        self.role = role
        self.file = file
        self.problems = problems

    def _problem(self, line: int, message: str, suggestion: str = "") -> None:
        self.problems.append(Problem(self.file, line, message, suggestion))

    def read(self, document: Any, inherited: Task | None = None) -> list[Task]:
        """The tasks of a list, blocks opened up: what a block says holds for each task in it."""
        if document is None:
            return []
        if not isinstance(document, list):
            self._problem(1, "must be a list of tasks", "start each with '- name: ...'")
            return []
        tasks: list[Task] = []
        for entry in document:
            if not isinstance(entry, Lines):
                self._problem(1, f"a task must be a mapping, not {type(entry).__name__}", "start it with '- name: ...'")
                continue
            if "block" in entry:
                tasks += self._block(entry, inherited)
            else:
                task = self._task(entry, inherited)
                if task is not None:
                    tasks.append(task)
        return tasks

    def _block(self, entry: Lines, inherited: Task | None) -> list[Task]:
        self._unknown(entry, KEYWORDS, ())
        frame = self._keywords(entry, Task("", "", {}, self.role, self.file, entry.line))
        return self.read(entry["block"], _merge(inherited, frame) if inherited else frame)

    def _unknown(self, entry: Lines, known: Iterable[str], module_keys: Iterable[str]) -> None:
        for key in entry:
            if key in known or key in module_keys:
                continue
            line = entry.key_lines.get(key, entry.line)
            if key in ELSEWHERE:
                self._problem(line, f"'{key}' is not one of kprov's keywords", ELSEWHERE[key])
                continue
            near = nearest(key, [*KEYWORDS, *modules.NAMES, *modules.ALIASES, *ACTIONS, *CONTROL])
            self._problem(line, f"unknown keyword or module '{key}'", f"did you mean '{near}'?" if near else "")

    def _task(self, entry: Lines, inherited: Task | None) -> Task | None:
        found = [key for key in entry if key not in KEYWORDS and (own_name(key) is not None)]
        self._unknown(entry, KEYWORDS, found)
        if not found:
            if all(key in KEYWORDS for key in entry):
                self._problem(entry.line, f"task '{entry.get('name', '')}' names no module")
            return None
        if len(found) > 1:
            self._problem(
                entry.key_lines[found[1]], f"a task names one module, this one {' and '.join(found)}", "make two tasks"
            )
            return None
        module = own_name(found[0])
        assert module is not None
        arguments = self._arguments(entry, found[0], module)
        if arguments is None:
            return None
        name = str(entry.get("name") or self._default_name(module, arguments))
        task = self._keywords(entry, Task(name, module, arguments, self.role, self.file, entry.line))
        return _merge(inherited, task) if inherited is not None else task

    def _default_name(self, module: str, arguments: dict[str, Any]) -> str:
        for key in ("name", "path", "dest", "cmd", "file", "src", "_"):
            if isinstance(arguments.get(key), str):
                return f"{module} {arguments[key]}"
        return module

    def _arguments(self, entry: Lines, key: str, module: str) -> dict[str, Any] | None:
        line = entry.key_lines[key]
        value = entry[key]
        extra = entry.get("args") or {}
        if value is None:
            value = {}
        if not isinstance(value, dict):
            form = free_form(module)
            if form is None:
                self._problem(
                    line,
                    f"{key} takes a mapping of parameters, not '{value}'",
                    "write one 'parameter: value' a line below it",
                )
                return None
            value = {form: value}
        arguments: dict[str, Any] = {**plain(value), **plain(extra)}
        parameters = specification(module)
        if parameters is not None:
            try:
                if module in modules.NAMES and parameters is modules.load(module).PARAMETERS:
                    modules.arguments_of(module, arguments, open_value=is_open)
                else:
                    coerce(parameters, arguments, open_value=is_open)
            except WrongArguments as wrong:
                for problem in wrong.problems:
                    self._problem(line, f"kprov's {key} {problem}")
        return arguments

    def _keywords(self, entry: Lines, task: Task) -> Task:
        control = entry.get("loop_control") or {}
        for key in control:
            if key not in ("loop_var", "label", "index_var", "pause"):
                self._problem(entry.key_lines["loop_control"], f"loop_control has no '{key}'")
        for key in ("check_mode", "diff", "no_log", "run_once"):
            if key in entry and not isinstance(entry[key], bool):
                self._problem(entry.key_lines[key], f"'{key}' must be true or false")
        if entry.get("become") is False:
            self._problem(
                entry.key_lines["become"],
                "'become: false' has no effect: the agent becomes root once",
                "become_user names another user",
            )
        for key in ("vars", "environment"):
            if not isinstance(entry.get(key) or {}, dict):
                self._problem(entry.key_lines[key], f"'{key}' must be a mapping")
        variables, environment = entry.get("vars"), entry.get("environment")
        return replace(
            task,
            when=_list(entry.get("when")),
            loop=plain(entry.get("loop")),
            loop_var=control.get("loop_var", "item"),
            index_var=control.get("index_var"),
            label=control.get("label"),
            register=entry.get("register"),
            notify=_list(entry.get("notify")),
            tags=frozenset(str(tag) for value in _list(entry.get("tags")) for tag in str(value).split(",")),
            become_user=entry.get("become_user"),
            changed_when=_list(entry["changed_when"]) if "changed_when" in entry else None,
            failed_when=_list(entry["failed_when"]) if "failed_when" in entry else None,
            check_mode=entry.get("check_mode"),
            diff=entry.get("diff"),
            no_log=bool(entry.get("no_log", False)),
            ignore_errors=entry.get("ignore_errors", False),
            run_once=bool(entry.get("run_once", False)),
            retries=entry.get("retries"),
            until=_list(entry.get("until")),
            delay=entry.get("delay", 5),
            variables=plain(variables) if isinstance(variables, dict) else {},
            environment=plain(environment) if isinstance(environment, dict) else {},
            listen=tuple(str(word) for word in _list(entry.get("listen"))),
        )


def _merge(outer: Task, inner: Task) -> Task:
    """A task with what its block says."""
    return replace(
        inner,
        when=outer.when + inner.when,
        tags=outer.tags | inner.tags,
        notify=outer.notify + inner.notify,
        become_user=inner.become_user or outer.become_user,
        check_mode=inner.check_mode if inner.check_mode is not None else outer.check_mode,
        diff=inner.diff if inner.diff is not None else outer.diff,
        no_log=inner.no_log or outer.no_log,
        ignore_errors=inner.ignore_errors or outer.ignore_errors,
        run_once=inner.run_once or outer.run_once,
        variables={**outer.variables, **inner.variables},
        environment={**outer.environment, **inner.environment},
    )


def own_name(key: str) -> str | None:
    """A module's or action's own name, None for neither."""
    bare = key.removeprefix("ansible.builtin.")
    if bare in ACTIONS or bare in CONTROL:
        return bare
    return modules.own_name(key)


def specification(module: str) -> Specification | None:
    """A module's parameters; None where anything goes (set_fact)."""
    if module in CONTROL:
        return CONTROL[module]
    action = ACTIONS.get(module)
    if action is not None and action.parameters is not None:
        return action.parameters
    parameters: Specification = modules.load(module).PARAMETERS
    return parameters


def free_form(module: str) -> str | None:
    """The parameter that a module's bare text stands for."""
    if module in CONTROL:
        return {"meta": "action", "include_tasks": "file", "import_tasks": "file"}.get(module)
    if module not in modules.NAMES:
        return None
    form: str | None = getattr(modules.load(module), "FREE_FORM", None)
    return form
