"""What the table holds, Service by Service: so that a change costs what it changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from kprov.kube.proxy.conntrack import Flow
from kprov.kube.proxy.elements import Contribution, Elements
from kprov.kube.proxy.transaction import State, changes, merged


@dataclass(slots=True)
class Staged:
    """A transaction that has been computed and not yet recorded.

    ``departed`` lists flows that the kernel must forget.
    """

    commands: str
    changed: Mapping[str, Contribution | None]
    departed: list[Flow] = field(default_factory=list)


class Ledger:
    """The contributions that the kernel has, and how many Services share each element."""

    def __init__(self) -> None:
        self.contributions: dict[str, Contribution] = {}
        self._values: Elements = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._chains: dict[str, tuple[str, ...]] = {}

    def state(self) -> State:
        """All of it, for a transaction that writes the whole table."""
        return merged(self.contributions.values())

    def reset(self, contributions: Mapping[str, Contribution]) -> None:
        """Record that the table holds exactly these."""
        self.contributions = dict(contributions)
        self._counts = Counter(key for share in contributions.values() for key in share.elements)
        state = self.state()
        self._values, self._chains = state.elements, state.chains

    def stage(self, changed: Mapping[str, Contribution | None]) -> Staged:
        """The transaction for some Services' new contributions (None: the Service is gone). Records nothing."""
        before = [self.contributions[key] for key in changed if key in self.contributions]
        after = [share for share in changed.values() if share is not None]
        delta: Counter[tuple[str, str]] = Counter()
        for share in before:
            delta.subtract(share.elements.keys())
        for share in after:
            delta.update(share.elements.keys())
        new = merged(after)
        gone, come = {}, {}
        for key, difference in delta.items():
            had = self._counts[key]
            value = new.elements.get(key, self._values.get(key, ""))
            differs = had > 0 and value != self._values[key]
            if had and (had + difference <= 0 or differs):
                gone[key] = self._values[key]
            if had + difference > 0 and (not had or differs):
                come[key] = value
        old = merged(before)
        dead = State(
            chains={n: r for n, r in old.chains.items() if n.startswith("affinity-") and n not in new.chains},
            client_sets={n: s for n, s in old.client_sets.items() if n not in new.client_sets},
        )
        # A set that is there keeps its members: "add set" of an existing one changes nothing.
        return Staged(changes(gone, come, new, self._chains, dead), changed, self._departed(changed))

    def record(self, staged: Staged) -> None:
        """The transaction was carried out."""
        for key in staged.changed:
            old = self.contributions.pop(key, None)
            if old is not None:
                self._counts.subtract(old.elements.keys())
                for element in old.elements:
                    if self._counts[element] <= 0:
                        del self._counts[element]
                        self._values.pop(element, None)
                for name in old.chains:
                    self._chains.pop(name, None)
        for key, share in staged.changed.items():
            if share is not None:
                self.contributions[key] = share
                self._counts.update(share.elements.keys())
                self._values.update(share.elements)
                self._chains.update(merged([share]).chains)

    def _departed(self, changed: Mapping[str, Contribution | None]) -> list[Flow]:
        flows: list[Flow] = []
        for key, share in changed.items():
            old = self.contributions[key].flows if key in self.contributions else {}
            new = share.flows if share is not None else {}
            for port, endpoints in old.items():
                flows += [Flow(*port, left) for left in endpoints - new.get(port, frozenset())]
            for port, endpoints in new.items():
                if port[0] == "udp" and endpoints and not old.get(port):
                    flows.append(Flow(*port, None))  # the kernel remembers packets that went nowhere
        return flows
