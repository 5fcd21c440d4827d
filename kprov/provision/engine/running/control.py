"""Tasks that the controller does by itself: what it decides, what it includes, and `meta`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kprov.provision.engine.argument_specs import wrong_arguments
from kprov.provision.engine.control_modules import IMPORTS, INCLUDES
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.roles import FromFiles
from kprov.provision.engine.running.become import truth
from kprov.provision.engine.running.decisions import decide
from kprov.provision.engine.running.loops import condition_against, skipped_by
from kprov.provision.engine.running.pieces import dependencies_of, steps_of
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.running.sending import new_sent, shown_name
from kprov.provision.engine.running.sent import Item
from kprov.provision.engine.running.stops import EndHost, EndRole, Stopped
from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task, inherited

if TYPE_CHECKING:
    from kprov.provision.engine.running.host_runner import HostRunner


class Control:
    """Does them for one host.

    Args:
        runner: the host's.
    """

    def __init__(self, runner: HostRunner) -> None:
        self._runner = runner

    def do(self, place: Place, task: Task, scope: Scope) -> None:
        """Do a task, for each of its items."""
        runner = self._runner
        if task.module in IMPORTS:
            self._import(place, task, scope)
            return
        if task.loop is not None:
            runner.results.settle()  # nothing may have to wait half-way through the items
        sent = new_sent(place, task, scope, runner.run, runner.session, bool(runner.rescuing))
        decided: list[Item] = []
        for item in sent.items:
            inner = scope.with_layer(item.loop, False) if item.loop else scope
            condition = condition_against(task, inner, place.role)
            if condition is not None:
                item.result = skipped_by(condition)
                decided.append(item)
            elif task.module in INCLUDES:
                self._include(place, task, inner, item.loop)
            elif task.module == "meta":
                self._meta(str(place.role.templar.render(task.arguments["action"], inner)))
            else:
                item.label = str(item.value)[:80]
                item.result = decide(task, place.role, inner, self._whose(place, task, inner), runner.run)
                decided.append(item)
        if not decided and sent.items:
            return
        if task.module in INCLUDES or task.module == "meta":
            if len(decided) == len(sent.items) and task.module != "meta":
                self._tell_skipped(place, task, scope, decided)
            return
        runner.results.settle()
        sent.items = decided
        runner.results.judge(sent)

    def _whose(self, place: Place, task: Task, scope: Scope) -> HostSession:
        """Whom a fact is set for: another host, where it is delegated with its facts."""
        runner, templar = self._runner, place.role.templar
        if task.module != "set_fact" or task.delegate_to is None:
            return runner.session
        if not truth(task.delegate_facts, False, templar, scope):
            return runner.session
        return runner.run.variables.session_of(str(templar.render(task.delegate_to, scope)))

    def _tell_skipped(self, place: Place, task: Task, scope: Scope, items: list[Item]) -> None:
        runner = self._runner
        runner.results.settle()
        message = str((items[0].result or {}).get("skip_reason", "")) if items else "no items"
        result = Result(
            runner.session.name, shown_name(task, scope, place), Status.SKIPPED, message, location=task.location
        )
        runner.run.account.result(runner.session.name, place.role.name, result)

    # -- imports and includes

    def _import(self, place: Place, task: Task, scope: Scope) -> None:
        """What an import says holds for each task that it brings, as if it stood there itself."""
        frame = replace(task, loop=None, register=None, notify=())
        if task.loop is not None:
            raise TemplateProblem(f"{task.module} takes no loop: write {task.module.replace('import', 'include')}")
        if task.module == "import_role":
            self._role(place.within(frame=frame), task, scope, frame.variables)
            return
        self._runner.steps(place.within(frame=frame), self._file(place, task, scope))

    def _include(self, place: Place, task: Task, scope: Scope, loop: dict[str, Any]) -> None:
        frame = task.apply
        if not self._runner.run.become_by_keyword:  # kprov's own roles: an include's tags hold for what it brings
            bare = Task("", "", {}, task.role, task.file, task.line, tags=task.tags)
            frame = inherited(bare, frame) if frame is not None else bare
        surrounding = self._surrounding(place, task)
        if frame is not None:
            surrounding = inherited(surrounding, frame)
        inner = place.within(
            frame=surrounding,
            params={**place.params, **self._closed(task, scope)},
            loop={**place.loop, **loop},
        )
        if task.module == "include_role":
            self._role(inner, task, scope, {})
        else:
            self._runner.steps(inner, self._file(place, task, scope))

    def _closed(self, task: Task, scope: Scope) -> dict[str, Any]:
        """An include's variables, which may speak of the items of its loop."""
        return dict(task.variables)

    def _surrounding(self, place: Place, task: Task) -> Task | None:
        """What holds for the tasks that an include brings: what is said around it, less what it says itself."""
        return inherited(place.frame, task.around) if task.around is not None else place.frame

    def _file(self, place: Place, task: Task, scope: Scope) -> Any:
        name = str(place.role.templar.render(task.arguments["file"], scope))
        path = place.role.files.find(name, task.file)
        if path is None:
            where = "the playbook's folder" if place.role.is_play else f"the tasks of role {place.role.name}"
            raise TemplateProblem(f"there is no {name} in {where}")
        return place.role.files.load(path)

    def _role(self, place: Place, task: Task, scope: Scope, entry_variables: dict[str, Any]) -> None:
        runner, templar = self._runner, place.role.templar
        given = {key: templar.render(value, scope) for key, value in task.arguments.items()}
        files = FromFiles(
            _bare(given.get("vars_from")), _bare(given.get("defaults_from")), _bare(given.get("handlers_from"))
        )
        role = runner.run.roles.get(str(given["name"]), files)
        chain = () if place.role.is_play else (*place.parents, place.role)
        if role in chain and len(chain) > 50:
            raise TemplateProblem(f"role {role.name} includes itself without an end")
        for piece in dependencies_of(role, runner.run.roles, place.frame, chain):
            runner.piece(piece)
        inner = place.within(role=role, entry_variables=entry_variables, parents=chain)
        runner.handlers.enter(Place(role, runner.phase.frame))
        runner.handlers.begin(role)
        entry = str(given.get("tasks_from") or "main")
        public = given.get("public", task.module == "import_role" and runner.run.become_by_keyword)
        if str(public).lower() in ("true", "yes", "1", "on"):
            runner.session.exposed_defaults.update(role.defaults)
            runner.session.exposed_variables.update(role.variables)
        try:
            self.check_arguments(inner, entry)
            runner.steps(inner, steps_of(role, entry))
        except EndRole:
            pass

    def check_arguments(self, place: Place, entry: str) -> None:
        """Check what a role is given against what it declares.

        Raises:
            Stopped: it does not fit.
        """
        runner = self._runner
        spec = (place.role.argument_specs.get(entry.removesuffix(".yml")) or {}).get("options")
        if not isinstance(spec, dict) or not runner.run.become_by_keyword:
            return
        task = Task(
            f"Validating arguments against arg spec '{entry}'",
            "validate_argument_spec",
            {},
            place.role.name,
            str(place.role.path / "meta"),
            1,
            tags=frozenset({"always"}),
        )
        task = inherited(place.frame, task)
        scope = runner.scope(place, task)
        if not runner.is_chosen(place, task) or condition_against(task, scope, place.role) is not None:
            return
        problems = wrong_arguments(spec, {name: scope[name] for name in spec if name in scope})
        if problems:
            raise runner.stop(place, task, f"role {place.role.name}: {'; '.join(problems)}")

    # -- meta

    def _meta(self, action: str) -> None:
        runner = self._runner
        if action == "flush_handlers":
            runner.flush_handlers()
        elif action in ("end_host", "end_play", "end_batch"):
            runner.results.settle()
            if action != "end_host":
                runner.session.ended = action
            raise EndHost
        elif action == "end_role":
            raise EndRole
        elif action == "clear_facts":
            runner.results.settle()
            runner.session.forget_facts()
        elif action == "reset_connection":
            runner.results.settle()
            runner.run.renew(runner.session, runner.run.timeouts.connect)
            assert runner.session.link is not None
            runner.limits.take(runner.session.link)


def _bare(name: Any) -> str:
    return str(name) if name else "main"


__all__ = ["Control", "Stopped"]
