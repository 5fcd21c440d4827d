"""Facts of machines that a run does not connect to: had when something asks for them, of the cache or the machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kprov.provision.engine.fact_cache import FactCache
from kprov.provision.engine.scope import TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.inventory.timeouts import in_words
from kprov.provision.transport.errors import Unreachable

Look = Callable[[HostSession], Mapping[str, Any]]
_PREFIXES = ("ansible_", "kprov_")


class RememberedFacts:
    """Gives a machine its facts when they are asked for.

    Args:
        cache: what earlier runs saw.
        oldest: the age, in seconds, up to which that is taken for true.
        look: asks the machine, changing nothing and without its lock. Raises Unreachable.
    """

    def __init__(self, cache: FactCache, oldest: float, look: Look) -> None:
        self._cache = cache
        self._oldest = oldest
        self._look = look
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def known(self, host: str) -> Mapping[str, Any] | None:
        """A machine's facts as an earlier run saw them, if they are not too old; nobody is asked."""
        found = self._cache.of(host)
        return found.facts if found is not None and found.age <= self._oldest else None

    def learn(self, session: HostSession) -> None:
        """Have the facts of a machine at hand.

        Raises:
            TemplateProblem: they are neither remembered nor to be had.
        """
        with self._lock:
            lock = self._locks.setdefault(session.name, threading.Lock())
        with lock:
            if session.facts:
                return
            found = self._cache.of(session.name)
            fresh = session.link is not None  # the run is connected to it, and only did not gather them
            if found is not None and found.age <= self._oldest and not fresh:
                session.remember(found.facts)
                return
            try:
                facts = self._look(session)
            except Unreachable as error:
                raise TemplateProblem(self._missing(session.name, found.age if found else None, error)) from None
            session.remember(facts)
            session.remembered = not fresh

    def _missing(self, host: str, age: float | None, error: Unreachable) -> str:
        known = "none are remembered" if age is None else f"those that are remembered are {in_words(round(age))} old"
        limit = "" if age is None else f" (fact_caching_timeout is {in_words(self._oldest)})"
        return f"facts of {host} are needed here; {known}{limit}, and it can't be asked: {error.message}"


class LazyFacts(Mapping[str, Any]):
    """The facts of a machine that the run is not connected to, as its variables.

    Args:
        session: the machine.
        remembered: gives it its facts.
        short: as below ``ansible_facts``: every name is one of a fact.
    """

    def __init__(self, session: HostSession, remembered: RememberedFacts, *, short: bool = False) -> None:
        self._session = session
        self._remembered = remembered
        self._short = short

    def _facts(self) -> Mapping[str, Any]:
        if not self._session.facts:
            self._remembered.learn(self._session)
        return self._session.short_facts if self._short else self._session.facts

    def __contains__(self, name: object) -> bool:
        # Most of what is read of other machines stands in the inventory: nobody is asked for that.
        known = not str(name).startswith(_PREFIXES) or name in self._session.host.variables or name in _MAGIC
        if known and not self._short and not self._session.facts:
            return False
        return name in self._facts()

    def __getitem__(self, name: str) -> Any:
        return self._facts()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts())

    def __len__(self) -> int:
        return len(self._facts())

    def __bool__(self) -> bool:
        return True


# Variables that are named like facts, and that kprov knows without the machine.
_MAGIC = frozenset(
    {
        "ansible_check_mode",
        "ansible_diff_mode",
        "ansible_facts",
        "ansible_host",
        "ansible_play_batch",
        "ansible_play_hosts",
        "ansible_play_hosts_all",
        "ansible_play_name",
        "ansible_port",
        "ansible_user",
        "ansible_version",
    }
)
