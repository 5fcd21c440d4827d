"""Reads tasks as written in a role or a playbook: strictly, every unknown word an error with the nearest right one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kprov.provision.engine import module_defaults, task_keywords
from kprov.provision.engine.documents import Lines, Problem, plain
from kprov.provision.engine.lookups import LOOKUPS
from kprov.provision.engine.lookups import own_name as lookup_name
from kprov.provision.engine.module_names import closest, is_foreign, lacking, own_name
from kprov.provision.engine.task_arguments import Named, WrongForm, arguments_of, from_action
from kprov.provision.engine.task_keywords import keywords_of
from kprov.provision.engine.tasks import Block, Step, Task, inherited


class TaskReader:
    """Reads a file's tasks.

    Args:
        role: whose.
        file: its name, for messages.
        problems: where mistakes are collected.
        strict: a module that Ansible has and kprov does not is a mistake at once; else only where the task would run.
        lenient: the same for parameters that kprov's module does not take.
        own_modules: modules that the role or the playbook brings itself, which kprov does not run.
    """

    def __init__(
        self,
        role: str,
        file: str,
        problems: list[Problem],
        strict: bool = True,
        lenient: bool = False,
        own_modules: frozenset[str] = frozenset(),
    ) -> None:
        self.role = role
        self.file = file
        self.problems = problems
        self.strict = strict
        self.lenient = lenient
        self._own_modules = own_modules
        self.defaults: Mapping[str, Any] = {}
        """Parameters that tasks may leave out, because what surrounds all of them says them."""

    def _is_foreign(self, key: str) -> bool:
        return key in self._own_modules or is_foreign(key)

    def tell(self, line: int, message: str, suggestion: str = "") -> None:
        """Note a mistake."""
        self.problems.append(Problem(self.file, line, message, suggestion))

    def read(self, document: Any, outer: Task | None = None) -> tuple[Step, ...]:
        """The tasks and blocks of a list."""
        if document is None:
            return ()
        if not isinstance(document, list):
            self.tell(1, "must be a list of tasks", "start each with '- name: ...'")
            return ()
        steps: list[Step] = []
        for entry in document:
            if not isinstance(entry, Lines):
                self.tell(1, f"a task must be a mapping, not {type(entry).__name__}", "start it with '- name: ...'")
                continue
            step = self._block(entry, outer) if "block" in entry else self._task(entry, outer)
            if step is not None:
                steps.append(step)
        return tuple(steps)

    def frame(self, entry: Lines, known: Iterable[str], what: str) -> Task:
        """What a block, an entry or a play says for all tasks in it; `known` are the words that it may have."""
        self.unknown(entry, known, what)
        self._no_become(entry)
        return Task("", "", {}, self.role, self.file, entry.line, **keywords_of(entry, self.tell))

    def _no_become(self, entry: Lines) -> None:
        if self.strict and entry.get("become") is False:
            hint = "become_user names another user"
            self.tell(entry.key_lines["become"], "'become: false' has no effect: the agent becomes root once", hint)

    def unknown(self, entry: Lines, known: Iterable[str], what: str, module: str | None = None) -> None:
        """Tell of words that are not known."""
        allowed = frozenset(known)
        for key in entry:
            if key in allowed or key == module or (module is not None and str(key).startswith("with_")):
                continue
            line = entry.key_lines.get(key, entry.line)
            if key in task_keywords.REFUSED:
                self.tell(line, f"'{key}' is not one of kprov's keywords", task_keywords.REFUSED[key])
            elif key in task_keywords.TASK | task_keywords.BLOCK:
                self.tell(line, f"'{key}' is no keyword of {what}")
            elif module is not None and isinstance(key, str) and (own_name(key) is not None or self._is_foreign(key)):
                self.tell(line, f"a task names one module, this one {module} and {key}", "make two tasks")
            else:
                near = closest(str(key), tuple(allowed)) if what == "a task" else None
                near = near or next(iter(_near(str(key), allowed)), None)
                self.tell(line, f"unknown keyword or module '{key}'", f"did you mean '{near}'?" if near else "")

    # -- blocks

    def _block(self, entry: Lines, outer: Task | None) -> Block:
        frame = inherited(outer, self.frame(entry, task_keywords.BLOCK, "a block"))
        parts: list[tuple[Step, ...]] = []
        for part in ("block", "rescue", "always"):
            if entry.get(part) is not None and not isinstance(entry[part], list):
                self.tell(entry.key_lines[part], f"'{part}' must be a list of tasks")
                parts.append(())
            else:
                parts.append(self.read(entry.get(part), frame))
        return Block(parts[0], parts[1], parts[2], str(entry.get("name") or ""), self.file, entry.line)

    # -- tasks

    def _task(self, entry: Lines, outer: Task | None) -> Task | None:
        named = self._named(entry)
        if named is None:
            return None
        self._no_become(entry)
        loop, lookup = self._loop(entry)
        module = own_name(named.key)
        unsupported = ""
        if module is None:
            own = f"kprov does not run modules that a role brings itself: '{named.key}'"
            unsupported = own if named.key in self._own_modules else lacking(named.key)
        try:
            arguments, wrong = arguments_of(named, entry.get("args"))
        except WrongForm as form:
            self.tell(named.line, form.message, form.suggestion)
            return None
        applied = None
        if module in ("include_tasks", "include_role") and isinstance(arguments.get("apply"), dict):
            applied = self._apply(named, entry.get("args"))
            arguments = {key: value for key, value in arguments.items() if key != "apply"}
        name = str(entry.get("name") or _default_name(module or named.key, arguments))
        keywords = keywords_of(entry, self.tell)
        if named.local:
            keywords["delegate_to"] = "localhost"
        task = Task(
            name,
            module or named.key,
            arguments,
            self.role,
            self.file,
            entry.line,
            nameless=not entry.get("name"),
            unsupported=unsupported,
            loop=loop,
            loop_lookup=lookup,
            apply=applied,
            **keywords,
        )
        variables = task.variables
        task = inherited(outer, task)
        if module in ("include_tasks", "include_role"):
            task = replace(task, around=outer, own_variables=variables)
        if wrong:
            wrong = module_defaults.wrong_arguments_of(task, self.defaults)
        if wrong and self.lenient:
            task = replace(task, unsupported="; ".join(f"kprov's {named.key} {problem}" for problem in wrong))
        for problem in wrong if not self.lenient else ():
            self.tell(named.line, f"kprov's {named.key} {problem}")
        if task.unsupported and self.strict:
            self.tell(named.line, task.unsupported)
        return task

    def _named(self, entry: Lines) -> Named | None:
        """The module that the task names; None after telling why there is none."""
        for key in ("action", "local_action"):
            if key in entry:
                self.unknown(entry, task_keywords.TASK, "a task", module=key)
                try:
                    named = from_action(entry, key)
                except WrongForm as form:
                    self.tell(entry.key_lines[key], form.message, form.suggestion)
                    return None
                if own_name(named.key) is None and not self._is_foreign(named.key):
                    near = closest(named.key)
                    self.tell(named.line, f"unknown module '{named.key}'", f"did you mean '{near}'?" if near else "")
                    return None
                return named
        found = [
            key
            for key in entry
            if isinstance(key, str)
            and key not in task_keywords.TASK
            and (own_name(key) is not None or self._is_foreign(key))
        ]
        if not found and self.lenient:
            found = self._nobodys(entry)
        self.unknown(entry, task_keywords.TASK, "a task", module=found[0] if found else "")
        if not found:
            if all(key in task_keywords.TASK or str(key).startswith("with_") for key in entry):
                self.tell(entry.line, f"task '{entry.get('name', '')}' names no module")
            return None
        return Named(found[0], entry[found[0]], entry.key_lines[found[0]])

    def _nobodys(self, entry: Lines) -> list[str]:
        """The one word that is no keyword and like nothing that is known: a module that came from elsewhere."""
        strange = [
            key
            for key in entry
            if key not in task_keywords.TASK | set(task_keywords.REFUSED) and not str(key).startswith("with_")
        ]
        known = (*task_keywords.TASK, *task_keywords.BLOCK)
        return strange if len(strange) == 1 and closest(str(strange[0]), known) is None else []

    def _loop(self, entry: Lines) -> tuple[Any, str | None]:
        found = [key for key in entry if key == "loop" or str(key).startswith("with_")]
        if not found:
            return None, None
        if len(found) > 1:
            self.tell(entry.key_lines[found[1]], f"a task has one loop, this one {' and '.join(found)}")
        key = found[0]
        value = plain(entry[key])
        if value is None:
            value = []
        if key == "loop":
            return value, None
        lookup = lookup_name(key.removeprefix("with_"))
        if lookup not in LOOKUPS:
            near = next(iter(_near(lookup, LOOKUPS)), None)
            self.tell(
                entry.key_lines[key],
                f"'{key}' is not one of kprov's keywords",
                f"did you mean 'with_{near}'?" if near else "write loop",
            )
        return value, lookup

    def _apply(self, named: Named, extra: Any) -> Task:
        said = {**(extra or {}), **(named.value if isinstance(named.value, dict) else {})}
        value = said["apply"]
        if not isinstance(value, Lines):
            self.tell(named.line, "'apply' must be a mapping of keywords")
            return Task("", "", {}, self.role, self.file, named.line)
        return self.frame(value, task_keywords.BLOCK - {"block", "rescue", "always"}, "apply")


def _near(word: str, known: Iterable[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)


def _default_name(module: str, arguments: dict[str, Any]) -> str:
    for key in ("name", "path", "dest", "cmd", "file", "src", "_"):
        if isinstance(arguments.get(key), str):
            return f"{module} {arguments[key]}"
    return module
