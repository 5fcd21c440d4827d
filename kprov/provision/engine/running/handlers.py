"""The handlers of a host's play: which are due, run in their files' order, remembered where they could not run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kprov.provision.engine.account import Account
from kprov.provision.engine.control_modules import INCLUDES
from kprov.provision.engine.pending_handlers import PendingHandlers
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.roles import Role
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.running.sent import Sent
from kprov.provision.engine.running.stops import Stopped
from kprov.provision.engine.scope import NeedsResult, Scope, TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task, is_open

Handler = tuple[str, int]
"""A role's name, and the handler's place in it."""


class Handlers:
    """A host's handlers. One is known by its role and its place among the role's handlers: names may be alike.

    Args:
        session: the host.
        account: told of a notification that nothing answers.
        pending: keeps what is due over the run's end.
        scope_of: what a handler sees: its name may be a template.
    """

    def __init__(
        self,
        session: HostSession,
        account: Account,
        pending: PendingHandlers,
        scope_of: Callable[[Place, Task], Scope],
    ) -> None:
        self._session = session
        self._account = account
        self._pending = pending
        self._scope_of = scope_of
        self._places: dict[str, Place] = {}
        self._names: dict[Handler, str] = {}
        self._notified: dict[str, set[int]] = {}
        self._running: dict[str, set[int]] = {}
        self._maybe: dict[str, set[str]] = {}
        self._left: dict[str, set[str]] = {}
        self._begun: set[str] = set()

    def enter(self, place: Place) -> None:
        """A role's handlers may be notified from now on, seen from where it stands."""
        role = place.role
        if role.name not in self._places:
            self._places[role.name] = place
            known = {handler.name for handler in role.handlers}
            self._left[role.name] = self._pending.due(self._session.name, role.name) & known
            self._notified[role.name] = set()
            self._running[role.name] = set()
            self._maybe[role.name] = set(self._left[role.name])

    def enter_last(self, place: Place) -> None:
        """The same for a role that is brought now: its handlers have their turn after all others, again if need be."""
        role = place.role
        before = self._places.get(role.name)
        if before is None:
            self.enter(place)
            return
        notified = self._named(role.name, self._notified[role.name])
        del self._places[role.name]
        self._places[role.name] = place
        if before.role is not role:  # other files of the same role
            self._notified[role.name] = {i for i, handler in enumerate(role.handlers) if handler.name in notified}
            self._names = {key: name for key, name in self._names.items() if key[0] != role.name}

    def begin(self, role: Role) -> None:
        """A role's tasks begin: what an earlier run left undone of its handlers is due after them."""
        self._begun.add(role.name)

    def begin_all(self) -> None:
        """The play's end: what is due is due now."""
        self._begun.update(self._places)

    def _every(self) -> Iterator[tuple[Place, int, Task]]:
        """Every handler in the order in which a notification looks for its own: the last role's first.

        Source: ansible-core 2.19, search_handlers_by_notification. Within a role the first of a name counts.
        """
        for place in reversed(self._places.values()):
            for index, handler in enumerate(place.role.handlers):
                yield place, index, handler

    def _name(self, place: Place, index: int, handler: Task) -> str:
        """A handler's name; empty where it has none, or one that can't be rendered (yet)."""
        if handler.nameless:
            return ""
        if not is_open(handler.name):
            return handler.name
        key = (place.role.name, index)
        if key not in self._names:
            try:
                rendered = place.role.templar.render(handler.name, self._scope_of(place, handler))
            except (TemplateProblem, NeedsResult):
                return ""
            self._names[key] = str(rendered)
        return self._names[key]

    def _answering(self, word: str) -> list[Handler]:
        """Who answers a notification: one handler of that name (`ROLE : NAME` names a role's), and all listeners."""
        found: list[Handler] = []
        for place, index, handler in self._every():
            name = self._name(place, index, handler)
            if name and word in (name, f"{place.role.name} : {name}"):
                found.append((place.role.name, index))
                break
        seen: set[str] = set()
        for place, index, handler in self._every():
            if word not in handler.listen:
                continue
            name = self._name(place, index, handler)
            if not name or name not in seen:
                seen.add(name)
                found.append((place.role.name, index))
        return found

    def _words(self, sent: Sent) -> list[str]:
        """What a task notifies; what is a template may speak of the loop's items.

        Raises:
            TemplateProblem, NeedsResult: one can't be rendered.
        """
        found: list[str] = []
        for word in sent.task.notify:
            if not is_open(word):
                found.append(str(word))
                continue
            for item in sent.items:
                if (item.result or {}).get("skipped"):
                    continue
                scope = sent.scope.with_layer(item.loop, False) if item.loop else sent.scope
                rendered = sent.place.role.templar.render(word, scope)
                found += map(str, rendered) if isinstance(rendered, list) else [str(rendered)]
        return list(dict.fromkeys(found))

    def expect(self, sent: Sent) -> None:
        """Write down, before a task is sent, that its handlers may be due."""
        for name, handlers in self._by_role(sent).items():
            if not handlers <= self._maybe[name]:
                self._maybe[name] |= handlers
                self._keep(name, set(self._maybe[name]))

    def _by_role(self, sent: Sent) -> dict[str, set[str]]:
        try:
            words = self._words(sent)
        except (TemplateProblem, NeedsResult):  # it is told of when the task has changed something
            return {}
        found: dict[str, set[str]] = {}
        for word in words:
            for name, index in self._answering(word):
                found.setdefault(name, set()).add(self._places[name].role.handlers[index].name)
        return found

    def notify(self, sent: Sent) -> None:
        """A task changed something: its handlers are due.

        Raises:
            Stopped: there is no such handler, or what it notifies can't be rendered.
        """
        role = sent.place.role
        try:
            words = self._words(sent)
        except (TemplateProblem, NeedsResult) as problem:
            raise self._wrong(sent, f"notify: {problem}") from None
        for word in words:
            answering = self._answering(word)
            if not answering:
                whose = "this play has" if role.is_play else f"role {role.name} has"
                raise self._wrong(sent, f"{whose} no handler '{word}'")
            for name, index in answering:
                self._notified[name].add(index)

    def _wrong(self, sent: Sent, message: str) -> Stopped:
        result = Result(
            self._session.name, sent.name, Status.FAILED, message, location=sent.task.location, number=sent.number
        )
        self._account.result(self._session.name, sent.place.role.name, result)
        return Stopped(result)

    def flush(
        self, run: Callable[[Place, Task], None], settle: Callable[[], None], obstacle: Callable[[Place, Task], str]
    ) -> None:
        """Run the handlers that are due, once through in their files' order.

        One that a handler after it notifies is due at the next flush, as in Ansible.

        Args:
            run: runs one.
            settle: waits for all answers.
            obstacle: why one that an earlier run left cannot be run in this one; empty where it can.
        """
        settle()
        for name, place in list(self._places.items()):
            left = self._left[name] if name in self._begun else set()
            self._left[name] = self._left[name] - left
            for index, handler in enumerate(place.role.handlers):
                notified = index in self._notified[name]
                if not notified and handler.name not in left:
                    continue
                why = "" if notified else obstacle(place, handler)
                left = left - {handler.name}
                self._notified[name].discard(index)
                if why:
                    self._give_up(name, handler, why)
                    continue
                self._running[name].add(index)
                run(place, handler)
                if handler.notify or handler.module in INCLUDES:
                    settle()  # it may notify one that comes after it
            settle()
            self._running[name] = set()
            self._maybe[name] = self._left[name] | self._named(name, self._notified[name])
            self._keep(name, set(self._maybe[name]))

    def end(self) -> None:
        """The play is over: what was notified after its turn had come in the last flush is not run, as in Ansible."""
        for name, notified in self._notified.items():
            if notified:
                self._notified[name] = set()
                self._keep(name, set(self._left[name]))

    def _named(self, role: str, handlers: Iterable[int]) -> set[str]:
        return {self._places[role].role.handlers[index].name for index in handlers}

    def _give_up(self, role: str, handler: Task, why: str) -> None:
        """What it reads is known only to the run that notified it: failing here would be failing for ever."""
        self._account.warn(
            f"{self._session.name}: handler '{handler.name}' of {role}, which an earlier run left due, can't be run by "
            f"this one ({why}): see whether what it does is still to be done there"
        )

    def remember(self, unanswered: Iterable[Sent] = ()) -> None:
        """Keep which handlers are due for the next run.

        Args:
            unanswered: tasks whose end is not known: all that they might have woken is due.
        """
        open_tasks = list(unanswered)
        for name, notified in self._notified.items():
            due = self._left[name] | self._named(name, notified | self._running[name])
            for sent in open_tasks:
                due |= self._by_role(sent).get(name, set())
            self._keep(name, due)

    def _keep(self, role: str, due: set[str]) -> None:
        """What only compares runs no handler, so it changes nothing about what is due."""
        if not self._session.check:
            self._pending.set(self._session.name, role, due)
