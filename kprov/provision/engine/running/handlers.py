"""The handlers of a host's play: which are due, run in their files' order, remembered where they could not run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kprov.provision.engine.account import Account
from kprov.provision.engine.pending_handlers import PendingHandlers
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.roles import Role
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.running.sent import Sent
from kprov.provision.engine.running.stops import Stopped
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task

Handler = tuple[str, int]
"""A role's name, and the handler's place in it."""


class Handlers:
    """A host's handlers.

    Args:
        session: the host.
        account: told of a notification that nothing answers.
        pending: keeps what is due over the run's end.
    """

    def __init__(self, session: HostSession, account: Account, pending: PendingHandlers) -> None:
        self._session = session
        self._account = account
        self._pending = pending
        self._places: dict[str, Place] = {}
        self._notified: dict[str, set[str]] = {}
        self._maybe: dict[str, set[str]] = {}
        self._left: dict[str, set[str]] = {}
        self._begun: set[str] = set()

    def enter(self, place: Place) -> None:
        """A role's handlers may be notified from now on, seen from where it stands."""
        role = place.role
        new = role.name not in self._places
        self._places[role.name] = place
        if new:
            known = {handler.name for handler in role.handlers}
            self._left[role.name] = self._pending.due(self._session.name, role.name) & known
            self._notified[role.name] = set()
            self._maybe[role.name] = set(self._left[role.name])

    def begin(self, role: Role) -> None:
        """A role's tasks begin: what an earlier run left undone of its handlers is due after them."""
        self._begun.add(role.name)

    def begin_all(self) -> None:
        """The play's end: what is due is due now."""
        self._begun.update(self._places)

    def _answering(self, word: str) -> list[tuple[Role, Task]]:
        """Who answers a notification: the handler of that name (of several the one that came last), and listeners.

        Source: ansible-core's search for handlers; `ROLE : NAME` names a role's.
        """
        everyone = [(place.role, handler) for place in self._places.values() for handler in place.role.handlers]
        found: list[tuple[Role, Task]] = []
        for role, handler in reversed(everyone):
            if handler.name and word in (handler.name, f"{role.name} : {handler.name}"):
                found.append((role, handler))
                break
        seen: set[str] = {handler.name for _, handler in found}
        for role, handler in everyone:
            if word in handler.listen and not (handler.name and handler.name in seen):
                seen.add(handler.name)
                found.append((role, handler))
        return found

    def expect(self, task: Task) -> None:
        """Write down, before a task is sent, that its handlers may be due."""
        for name, words in self._by_role(task).items():
            if not words <= self._maybe[name]:
                self._maybe[name] |= words
                self._keep(name, set(self._maybe[name]))

    def _by_role(self, task: Task) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for word in task.notify:
            for role, handler in self._answering(str(word)):
                found.setdefault(role.name, set()).add(handler.name)
        return found

    def notify(self, sent: Sent) -> None:
        """A task changed something: its handlers are due.

        Raises:
            Stopped: there is no such handler.
        """
        role = sent.place.role
        for word in sent.task.notify:
            rendered = role.templar.render(word, sent.scope)
            for text in rendered if isinstance(rendered, list) else [rendered]:
                answering = self._answering(str(text))
                if not answering:
                    whose = "this play has" if role.is_play else f"role {role.name} has"
                    message = f"{whose} no handler '{text}'"
                    result = Result(
                        self._session.name,
                        sent.name,
                        Status.FAILED,
                        message,
                        location=sent.task.location,
                        number=sent.number,
                    )
                    self._account.result(self._session.name, role.name, result)
                    raise Stopped(result)
                for other, handler in answering:
                    self._notified[other.name].add(handler.name)

    def flush(
        self, run: Callable[[Place, Task], None], settle: Callable[[], None], obstacle: Callable[[Place, Task], str]
    ) -> None:
        """Run the handlers that are due, in their files' order.

        Args:
            run: runs one.
            settle: waits for all answers.
            obstacle: why one that an earlier run left cannot be run in this one; empty where it can.
        """
        settle()
        for name, place in list(self._places.items()):
            left = self._left[name] if name in self._begun else set()
            self._left[name] = self._left[name] - left
            ran: set[str] = set()
            while True:
                due = [h for h in place.role.handlers if h.name in (self._notified[name] | left) - ran]
                if not due:
                    break
                for handler in due:
                    ran.add(handler.name)
                    why = obstacle(place, handler) if handler.name not in self._notified[name] else ""
                    if why:
                        self._give_up(name, handler, why)
                    else:
                        run(place, handler)
                settle()
            self._notified[name] = set()
            self._maybe[name] = set(self._left[name])
            self._keep(name, set(self._left[name]))

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
            due = notified | self._left[name]
            for sent in open_tasks:
                due |= self._by_role(sent.task).get(name, set())
            self._keep(name, due)

    def _keep(self, role: str, due: set[str]) -> None:
        """What only compares runs no handler, so it changes nothing about what is due."""
        if not self._session.check:
            self._pending.set(self._session.name, role, due)
