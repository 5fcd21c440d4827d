"""A run's work done for show first: everything is compared, nothing is changed, and the run then begins afresh.

The connections, the locks and the machines' facts stay; what the rehearsal learned, counted and failed at is forgotten.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping

from kprov.provision.engine.account import Account
from kprov.provision.engine.reporter import SilentReporter
from kprov.provision.engine.result import HostState, HostSummary, Result
from kprov.provision.engine.session import HostSession

Observer = Callable[[str, Result], None]
"""Told of each result: the host's role or phase, and the result."""


@contextlib.contextmanager
def rehearsal(sessions: Mapping[str, HostSession], account: Account, observe: Observer) -> Iterator[None]:
    """Compare only, for as long as the block lasts; nobody but `observe` and the journal is told.

    A machine that is lost meanwhile stays lost.
    """
    before = {name: _Kept(session) for name, session in sessions.items()}
    reporter = account.reporter
    account.reporter, account.rehearsing = SilentReporter(), True
    try:
        with observed(account, observe):
            for session in sessions.values():
                session.check = True
            yield
    finally:
        account.reporter, account.rehearsing = reporter, False
        for name, session in sessions.items():
            before[name].give_back(session)


@contextlib.contextmanager
def observed(account: Account, observe: Observer) -> Iterator[None]:
    """Have results told to one more, for as long as the block lasts."""
    account.observers.append(observe)
    try:
        yield
    finally:
        account.observers.remove(observe)


@contextlib.contextmanager
def left_alone(sessions: Iterable[HostSession]) -> Iterator[None]:
    """Compare only on these machines, for as long as the block lasts: one that would have to be changed fails."""
    chosen = [session for session in sessions if not session.left_alone]
    checks = [session.check for session in chosen]
    for session in chosen:
        session.left_alone = session.check = True
    try:
        yield
    finally:
        for session, check in zip(chosen, checks, strict=True):
            session.left_alone, session.check = False, check


class _Kept:
    """What a host was before."""

    def __init__(self, session: HostSession) -> None:
        self._state = session.state
        self._summary = copy.copy(session.summary)
        self._facts = dict(session.facts)
        self._registered = dict(session.registered)
        self._check = session.check

    def give_back(self, session: HostSession) -> None:
        """Make it so again."""
        session.check = self._check
        session.registered.clear()
        session.registered.update(self._registered)
        session.facts.clear()
        session.learn(self._facts)
        lost = session.state.state == "unreachable" != self._state.state
        session.summary = HostSummary(**vars(self._summary))
        if lost:
            session.summary.unreachable, session.summary.reason = True, session.state.reason
        else:
            session.state = HostState(self._state.state, self._state.reason)
