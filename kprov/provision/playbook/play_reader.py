"""Reads a play: strictly, every mistake with its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kprov.provision.agent.parameters import nearest
from kprov.provision.engine import batches, task_keywords
from kprov.provision.engine.documents import Lines, Problem, plain
from kprov.provision.engine.module_names import wrong_arguments
from kprov.provision.engine.role_files import read_entry
from kprov.provision.engine.roles import Role, RoleEntry
from kprov.provision.engine.search_path import SearchPath
from kprov.provision.engine.task_files import TaskFiles
from kprov.provision.engine.task_keywords import as_tuple, keywords_of
from kprov.provision.engine.task_reader import TaskReader
from kprov.provision.engine.tasks import Block, Step, Task, inherited, is_open
from kprov.provision.engine.templating import Templar
from kprov.provision.playbook import play_keywords
from kprov.provision.playbook.play import Play
from kprov.provision.playbook.play_templates import Known, PlayTemplates
from kprov.provision.playbook.variable_files import read_now
from kprov.provision.vault import Vault


class PlayReader:
    """Reads the plays of one playbook.

    Args:
        path: the playbook.
        shown: its name in messages.
        problems: told of mistakes.
        vault: opens what is encrypted.
        known: what plays' keywords may name.
        variables: what the import of the playbook says.
    """

    def __init__(
        self,
        path: Path,
        shown: str,
        problems: list[Problem],
        vault: Vault | None = None,
        known: Known | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.shown = shown
        self.problems = problems
        self.vault = vault
        self.known = known or Known()
        self.variables = dict(variables or {})

    def tell(self, line: int, message: str, suggestion: str = "") -> None:
        """Note a mistake."""
        self.problems.append(Problem(self.shown, line, message, suggestion))

    def read(self, entry: Lines) -> Play:
        """One play."""
        self._unknown(entry)
        directory = self.path.parent
        templar = Templar(SearchPath((directory,)))
        variables, vars_files = self._variables(entry)
        templates = PlayTemplates(templar, self.known, variables, self.tell)
        entry = templates.keywords(entry)
        name = str(entry.get("name") or entry.get("hosts") or "play")
        files = TaskFiles(name, (directory,), Path(), strict=False, vault=self.vault)
        role = Role(name, directory, templar, files, is_play=True)
        play = Play(name, self.shown, entry.line, directory, role, hosts=self._hosts(entry))
        play.frame = self._frame(entry, name)
        files.defaults = play.frame.defaults
        reader = files.reader(self.shown, self.problems)
        play.variables, play.vars_files = variables, vars_files
        play.roles = self._roles(entry, name, templates)
        play.pre_tasks = self._tasks(entry, "pre_tasks", reader)
        play.tasks = self._tasks(entry, "tasks", reader)
        play.post_tasks = self._tasks(entry, "post_tasks", reader)
        role.handlers = self._handlers(self._tasks(entry, "handlers", reader), files, None)
        role.tasks = {"play": (*play.pre_tasks, *play.tasks, *play.post_tasks)}
        self._how(entry, play)
        return play

    # -- its parts

    def _variables(self, entry: Lines) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """The play's own variables, and the files of some that a host's own variables name."""
        variables = entry.get("vars")
        if variables is not None and not isinstance(variables, dict):
            self.tell(entry.key_lines["vars"], "'vars' must be a mapping")
        found = dict(plain(variables)) if isinstance(variables, dict) else {}
        found.update(self._prompted(entry))
        found.update(self.variables)
        named = as_tuple(plain(entry.get("vars_files")))
        left = read_now(named, self.path.parent, found, self.vault, self.problems, (self.shown, entry.line))
        return found, left

    def _unknown(self, entry: Lines) -> None:
        for key in entry:
            if key in play_keywords.PLAY:
                continue
            line = entry.key_lines.get(key, entry.line)
            if key in play_keywords.REFUSED:
                self.tell(line, f"'{key}' is not one of kprov's keywords of a play", play_keywords.REFUSED[key])
                continue
            near = nearest(str(key), play_keywords.PLAY)
            self.tell(line, f"unknown keyword '{key}' of a play", f"did you mean '{near}'?" if near else "")

    def _hosts(self, entry: Lines) -> str:
        hosts = entry.get("hosts")
        if isinstance(hosts, list) and all(isinstance(host, str) for host in hosts):
            return ",".join(hosts)
        if isinstance(hosts, str) and hosts.strip():
            return hosts
        self.tell(entry.key_lines.get("hosts", entry.line), "a play needs 'hosts': a pattern of hosts and groups")
        return ""

    def _frame(self, entry: Lines, name: str) -> Task:
        said = Lines({key: value for key, value in entry.items() if key in play_keywords.FRAME})
        said.line, said.key_lines = entry.line, entry.key_lines
        return Task("", "", {}, name, self.shown, entry.line, **keywords_of(said, self.tell))

    def _prompted(self, entry: Lines) -> dict[str, Any]:
        """Variables that Ansible would ask for: kprov asks nobody, so each needs a default or is given by -e."""
        found: dict[str, Any] = {}
        prompts = entry.get("vars_prompt") or []
        for prompt in prompts if isinstance(prompts, list) else [prompts]:
            if not isinstance(prompt, dict) or not isinstance(prompt.get("name"), str):
                self.tell(entry.key_lines["vars_prompt"], "'vars_prompt' must be a list of mappings with 'name'")
            elif "default" in prompt:
                found[prompt["name"]] = plain(prompt["default"])
        return found

    def _roles(self, entry: Lines, name: str, templates: PlayTemplates) -> tuple[RoleEntry, ...]:
        roles = entry.get("roles") or []
        line = entry.key_lines.get("roles", entry.line)
        if not isinstance(roles, list):
            self.tell(line, "'roles' must be a list")
            return ()
        found = [read_entry(one, line, name, self.shown, self.problems, False) for one in roles]
        named = [
            replace(one, name=str(templates.render(one.name, "the role's name", one.frame.line)))
            for one in found
            if one is not None
        ]
        return tuple(one for one in named if not is_open(one.name))

    def _tasks(self, entry: Lines, key: str, reader: TaskReader) -> tuple[Step, ...]:
        if entry.get(key) is not None and not isinstance(entry[key], list):
            self.tell(entry.key_lines[key], f"'{key}' must be a list of tasks")
            return ()
        return reader.read(entry.get(key))

    def _handlers(self, steps: tuple[Step, ...], files: TaskFiles, outer: Task | None) -> tuple[Task, ...]:
        """Handlers, those that are imported included."""
        found: list[Task] = []
        for step in steps:
            if isinstance(step, Block):
                found += self._handlers(step.steps, files, outer)
                continue
            task = inherited(outer, step)
            name = task.arguments.get("file")
            if task.module != "import_tasks" or not isinstance(name, str):
                found.append(task)
                continue
            path = files.find(name, task.file)
            if path is None:
                self.problems.append(Problem(task.file, task.line, f"there is no {name}"))
            else:
                found += self._handlers(files.load(path, self.problems), files, replace(task, module=""))
        return tuple(found)

    # -- how it is run

    def _how(self, entry: Lines, play: Play) -> None:
        play.gather_facts = self._truth(entry, "gather_facts", True)
        if play.gather_facts and "setup" in play.frame.defaults:
            for problem in wrong_arguments("setup", play.frame.defaults["setup"]):
                self.tell(entry.key_lines["module_defaults"], f"kprov's setup {problem}")
        play.any_errors_fatal = self._truth(entry, "any_errors_fatal", False)
        play.force_handlers = self._truth(entry, "force_handlers", False)
        self._one_of(entry, "strategy", play_keywords.STRATEGIES)
        play.order = str(self._one_of(entry, "order", play_keywords.ORDERS) or "inventory")
        play.local = self._one_of(entry, "connection", task_keywords.CONNECTIONS) == "local"
        user = entry.get("remote_user")
        play.remote_user = str(user) if user is not None else None
        if entry.get("serial") is not None:
            play.serial = self._serial(entry)
        most = entry.get("max_fail_percentage")
        if most is not None:
            try:
                play.max_fail_percentage = float(str(most).rstrip("%"))
            except ValueError:
                line = entry.key_lines["max_fail_percentage"]
                self.tell(line, f"'max_fail_percentage' must be a number, not '{most}'")

    def _serial(self, entry: Lines) -> batches.Serial:
        serial: Any = plain(entry["serial"])
        try:
            for step in serial if isinstance(serial, list) else [serial]:
                batches.size(step, 100)
        except ValueError as error:
            self.tell(entry.key_lines["serial"], f"'serial': {error}")
            return None
        chosen: batches.Serial = serial
        return chosen

    def _truth(self, entry: Lines, key: str, default: bool) -> bool:
        value = entry.get(key)
        if value is None:
            return default
        word = str(value).lower()
        if word not in ("true", "false", "yes", "no", "on", "off"):
            self.tell(entry.key_lines[key], f"'{key}' must be true or false at a play, not '{value}'")
        return word in ("true", "yes", "on")

    def _one_of(self, entry: Lines, key: str, known: frozenset[str]) -> str | None:
        value = entry.get(key)
        if value is None:
            return None
        word = str(value).removeprefix("ansible.builtin.")
        if word not in known:
            self.tell(
                entry.key_lines[key], f"{key} '{value}' is not one of kprov's", f"it has {', '.join(sorted(known))}"
            )
        return word
