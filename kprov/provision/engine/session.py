"""What the engine knows of one host during a run: its connection, facts, variables, results, and how it fared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kprov.provision.engine.result import HostState, HostSummary
from kprov.provision.engine.whereabouts import Whereabouts
from kprov.provision.transport.link import AgentLink

if TYPE_CHECKING:
    from kprov.provision.inventory.model import Host


class HostSession:
    """One host.

    Args:
        host: from the inventory.
        extra: variables that beat all others.
        check: nothing is changed on it, only compared.
    """

    joinings = 0
    """How often any host was put in a group: who keeps a list of all groups sees by it that the list is old."""

    def __init__(self, host: Host, extra: Mapping[str, Any], check: bool = False) -> None:
        self.host = host
        self.name = host.name
        self.extra = extra
        self.state = HostState()
        self.summary = HostSummary()
        self.link: AgentLink | None = None
        self.facts: dict[str, Any] = {}
        self.short_facts: dict[str, Any] = {}
        self.facts_later = False
        """It is connected, and its facts are gathered when one is read."""
        self.remembered = False
        """The facts are those of an earlier connection."""
        self.registered: dict[str, Any] = {}
        self.queue = 0
        self.check = check
        self.left_alone = False
        """A plan says that nothing is changed here: what would be is a failure."""
        self.numbered = 0
        self.included: dict[str, Any] = {}
        """Variables that include_vars read."""
        self.play_variables: dict[str, Any] = {}
        """Those in the files that its play names for this host."""
        self.exposed_defaults: dict[str, Any] = {}
        self.exposed_variables: dict[str, Any] = {}
        """What roles that were brought in the middle of a play give to all tasks after them."""
        self.more_groups: list[str] = []
        """Groups that group_by put it in."""
        self.ended = ""
        """It ended its play or its batch for all (meta: end_play, end_batch)."""
        self.become: bool | None = None
        """Whether its agent is started as root; None: as the inventory says."""
        self.comes_later = False
        """Its play waits for it: that it cannot be reached before is no failure."""
        self.login = "root"
        self.escalated = True
        """The agent runs as root."""
        self.whereabouts = Whereabouts(host.name)

    def join(self, group: str) -> None:
        """Put it in a group for the rest of the run."""
        self.more_groups.append(group)
        HostSession.joinings += 1

    @property
    def took_part(self) -> bool:
        """Whether the run was connected to it, or tried to be."""
        return self.state.state != "new" or (bool(self.facts) and not self.remembered)

    def learn(self, facts: Mapping[str, Any]) -> None:
        """Take in facts: by their names as variables, and below ansible_facts also without the prefix."""
        self.facts.update(facts)
        self.short_facts = {
            **self.facts,
            **{name.removeprefix("ansible_"): value for name, value in self.facts.items()},
        }

    def remember(self, facts: Mapping[str, Any]) -> None:
        """Take in facts without being connected."""
        self.remembered = True
        self.learn(facts)

    def forget_facts(self) -> None:
        """As if none had been gathered."""
        self.facts.clear()
        self.short_facts = {}
