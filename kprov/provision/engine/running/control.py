"""Tasks that the controller does by itself: what it decides, what it includes, and `meta`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kprov.provision.engine.argument_specs import wrong_arguments
from kprov.provision.engine.control_modules import IMPORTS, INCLUDES
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.running.become import truth
from kprov.provision.engine.running.decisions import decide
from kprov.provision.engine.running.delegated import seen_there
from kprov.provision.engine.running.imports import Brought, brought_by, framed, imports_in, imports_of
from kprov.provision.engine.running.loops import condition_against, skipped_by
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.running.sending import new_sent, shown_name
from kprov.provision.engine.running.sent import Item
from kprov.provision.engine.running.stops import EndHost, EndRole, Stopped
from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task, inherited, is_open

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
                continue
            if task.delegate_to is not None and task.module not in INCLUDES:
                inner = seen_there(inner, str(place.role.templar.render(task.delegate_to, inner)))
            if task.module in INCLUDES:
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
        frame = framed(task)
        if task.loop is not None:
            raise TemplateProblem(f"{task.module} takes no loop: write {task.module.replace('import', 'include')}")
        if task.module == "import_role":
            self._role(place.within(frame=frame), task, scope)
            return
        inner = place.within(frame=frame)
        steps = self._file(place, task, scope)
        if is_open(task.arguments):
            self._take_in(imports_in(inner, steps, self._runner.run.roles))
        self._runner.steps(inner, steps)

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
            include_params={**place.include_params, **task.own_variables},  # which may speak of the items of its loop
            loop={**place.loop, **loop},
        )
        if task.module == "include_role":
            self._role(inner, task, scope)
            return
        steps = self._file(place, task, scope)
        self._take_in(imports_in(inner, steps, self._runner.run.roles))
        self._runner.steps(inner, steps)

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

    def _role(self, place: Place, task: Task, scope: Scope) -> None:
        runner, templar = self._runner, place.role.templar
        given = {key: templar.render(value, scope) for key, value in task.arguments.items()}
        roles, in_play = runner.run.roles, runner.run.become_by_keyword
        is_import = task.module == "import_role"
        brought = brought_by(place, task, given, roles, public=is_import and in_play)
        role = brought.place.role
        if not in_play:
            self._take_in([brought])
        elif not is_import or is_open(task.arguments):  # else the play had it from its start
            self._take_in(imports_of(brought, roles))
        for piece in brought.dependencies:
            runner.piece(piece)
        runner.handlers.begin(role)
        try:
            self.check_arguments(brought.place, str(given.get("tasks_from") or "main"))
            runner.steps(brought.place, brought.steps)
        except EndRole:
            pass

    def _take_in(self, found: list[Brought]) -> None:
        """Roles that the play gets to know now: their handlers, and what they give to the tasks after this one."""
        session = self._runner.session
        for brought in found:
            for place in brought.places:
                self._runner.handlers.enter_last(place)
            brought.expose(session.exposed_defaults, session.exposed_variables)

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


__all__ = ["Control", "Stopped"]
