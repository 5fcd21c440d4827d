"""The handlers of a host's roles: which are due, run in their files' order, remembered where they could not run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kprov.provision.engine.account import Account
from kprov.provision.engine.pending_handlers import PendingHandlers
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.roles import Role
from kprov.provision.engine.running.sent import Sent
from kprov.provision.engine.running.stops import Stopped
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task


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
        self._roles: dict[str, Role] = {}
        self._notified: dict[str, set[str]] = {}
        self._maybe: dict[str, set[str]] = {}

    def enter(self, role: Role) -> None:
        """A role begins; what an earlier run left undone of its handlers is due."""
        if role.name in self._roles:
            return
        self._roles[role.name] = role
        known = {handler.name for handler in role.handlers}
        due = self._pending.due(self._session.name, role.name) & known
        self._notified[role.name] = due
        self._maybe[role.name] = set(due)

    def expect(self, role: Role, task: Task) -> None:
        """Write down, before a task is sent, that its handlers may be due."""
        words = {handler.name for word in task.notify for handler in role.handlers_for(str(word))}
        if not words <= self._maybe[role.name]:
            self._maybe[role.name] |= words
            self._keep(role.name, set(self._maybe[role.name]))

    def notify(self, sent: Sent) -> None:
        """A task changed something: its handlers are due.

        Raises:
            Stopped: there is no such handler.
        """
        for word in sent.task.notify:
            text = str(sent.role.templar.render(word, sent.scope))
            handlers = sent.role.handlers_for(text)
            if not handlers:
                result = Result(
                    self._session.name,
                    sent.name,
                    Status.FAILED,
                    f"role {sent.role.name} has no handler '{text}'",
                    location=sent.task.location,
                    number=sent.number,
                )
                self._account.result(self._session.name, sent.role.name, result)
                raise Stopped(result)
            self._notified[sent.role.name] |= {handler.name for handler in handlers}

    def flush(self, run: Callable[[Role, Task], None], settle: Callable[[], None]) -> None:
        """Run the handlers that are due, in their file's order.

        Args:
            run: runs one.
            settle: waits for all answers.
        """
        settle()
        for name, role in list(self._roles.items()):
            ran: set[str] = set()
            while True:
                due = [handler for handler in role.handlers if handler.name in self._notified[name] - ran]
                if not due:
                    break
                for handler in due:
                    ran.add(handler.name)
                    run(role, handler)
                settle()
            self._notified[name] = set()
            self._maybe[name] = set()
            self._keep(name, set())

    def remember(self, unanswered: Iterable[Sent] = ()) -> None:
        """Keep which handlers are due for the next run.

        Args:
            unanswered: tasks whose end is not known: all that they might have woken is due.
        """
        open_tasks = list(unanswered)
        for name, notified in self._notified.items():
            due = set(notified)
            for sent in open_tasks:
                if sent.role.name == name:
                    due |= {handler.name for word in sent.task.notify for handler in sent.role.handlers_for(str(word))}
            self._keep(name, due)

    def _keep(self, role: str, due: set[str]) -> None:
        """What only compares runs no handler, so it changes nothing about what is due."""
        if not self._session.check:
            self._pending.set(self._session.name, role, due)
