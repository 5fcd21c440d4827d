"""A node is emptied: its pods are asked to go, as their PodDisruptionBudgets let them, until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kprov.provision.cluster.nodes.deadline import AtDeadline
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine.waiting import TELL_SECONDS
from kprov.provision.inventory.timeouts import Timeouts, in_words
from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError
from kprov.provision.kubeapi.pods import Fate, Guards, Judged, delete, evict, judge, pods_on

_ASK_AGAIN = 5.0  # seconds, as kubectl
_LOOK_AGAIN = 0.5


class DrainRefused(ClusterError):
    """Pods would be lost that nobody has said may be; no pod was touched."""


class DrainExpired(ClusterError):
    """Pods are still there at the deadline. The node takes no new ones."""


@dataclass(frozen=True, slots=True)
class DrainOptions:
    """How a node is emptied.

    Attributes:
        guards: what may be lost.
        grace_period: seconds that a pod has to end; None: its own.
        at_deadline: what is done with pods that are still there then.
    """

    guards: Guards = field(default_factory=Guards)
    grace_period: int | None = None
    at_deadline: AtDeadline = AtDeadline.STOP


Told = Callable[[Judged, str], None]
"""A pod, and what was done with it."""


def refuse_losses(api: ClusterApi, node: str, guards: Guards) -> list[Judged]:
    """What is to become of each pod of a node.

    Raises:
        DrainRefused: some would be lost; each is named with the option that allows it.
        ClusterApiError: the API does not answer.
    """
    judged = [judge(pod, guards) for pod in pods_on(api, node)]
    refused = [f"  {each.name}: {each.why}" for each in judged if each.fate is Fate.REFUSED]
    if refused:
        raise DrainRefused("\n".join([f"{node} is not drained, its pods are untouched. In the way are:", *refused]))
    return judged


def drain(
    api: ClusterApi,
    node: str,
    options: DrainOptions,
    timeouts: Timeouts,
    *,
    told: Told,
    waiting: Callable[[str], None] = lambda line: None,
) -> None:
    """Empty a node that takes no new pods. Pods that come to it meanwhile, bound before, go too.

    Args:
        api: the cluster's.
        node: its name.
        options: how.
        timeouts: `drain` is the deadline.
        told: told of each pod once it is gone, and of each that stays.
        waiting: told now and then what is still there, and why.

    Raises:
        DrainRefused, DrainExpired: see there.
        ClusterApiError: the API refuses for another reason, or does not answer for as long as the deadline.
    """
    for each in refuse_losses(api, node, options.guards):
        if each.fate is Fate.STAYS:
            told(each, f"stays: {each.why}")
    work = _Work(api, node, options, timeouts, told, waiting)
    while not work.is_done():
        time.sleep(_LOOK_AGAIN)


@dataclass(slots=True)
class _Work:
    api: ClusterApi
    node: str
    options: DrainOptions
    timeouts: Timeouts
    told: Told
    waiting: Callable[[str], None]
    going: dict[str, Judged] = field(default_factory=dict)
    """uid -> a pod that was asked to go and has not gone yet."""
    kept: dict[str, str] = field(default_factory=dict)
    """uid -> why a pod must stay for now."""
    ask_at: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    last_told: float = field(default_factory=time.monotonic)
    past_deadline: bool = False

    def is_done(self) -> bool:
        """Look at all pods once, and ask those that are due. Returns: whether none is left."""
        try:
            left = self._left()
            for uid, each in left.items():
                self._ask(uid, each)
        except ClusterApiError as error:
            if error.code or self._passed() > self._limit():
                raise
            self.waiting(f"{self.node}: {error}")  # an API server is lost: the next one answers soon
            return False
        if not left:
            return True
        self._watch_the_clock(left)
        return False

    def _left(self) -> dict[str, Judged]:
        present = {pod["metadata"]["uid"]: judge(pod, self.options.guards) for pod in pods_on(self.api, self.node)}
        for uid in [uid for uid in self.going if uid not in present]:
            self.told(self.going.pop(uid), "gone")
        # One that came meanwhile and may not be lost is in the way, until the deadline.
        left = {uid: each for uid, each in present.items() if each.fate is not Fate.STAYS}
        self.kept = {uid: why for uid, why in self.kept.items() if uid in left}
        return left

    def _ask(self, uid: str, each: Judged) -> None:
        if each.fate is Fate.REFUSED:
            self.kept[uid] = each.why
            return
        if uid in self.going or each.pod["metadata"].get("deletionTimestamp"):
            self.going.setdefault(uid, each)
            return
        if self.past_deadline:
            delete(self.api, each.pod, self.options.grace_period)
        else:
            if time.monotonic() < self.ask_at.get(uid, 0.0):
                return
            why = evict(self.api, each.pod, self.options.grace_period)
            if why:
                self.kept[uid], self.ask_at[uid] = why, time.monotonic() + _ASK_AGAIN
                return
        self.kept.pop(uid, None)
        self.going[uid] = each

    def _passed(self) -> float:
        return time.monotonic() - self.begun

    def _limit(self) -> float:
        return self.timeouts.of("drain") * (2 if self.past_deadline else 1)

    def _watch_the_clock(self, left: dict[str, Judged]) -> None:
        reasons = "; ".join(f"{each.name}: {self.kept.get(uid, 'it has not ended yet')}" for uid, each in left.items())
        if self._passed() > self._limit():
            if self.options.at_deadline is AtDeadline.DELETE and not self.past_deadline:
                self.waiting(f"{self.node}: the deadline is over, these are deleted now: {reasons}")
                self.past_deadline = True
                return
            raise DrainExpired(
                f"{self.node} is not empty {self.timeouts.expired('drain')}. Still there: {reasons}\n"
                "The same command tries again; with --at-deadline delete they are deleted then, whatever their budgets "
                "say; --timeout drain=DURATION gives them longer"
            )
        now = time.monotonic()
        if now - self.last_told >= TELL_SECONDS:
            self.last_told = now
            limit = in_words(self._limit())
            self.waiting(f"waiting for the pods of {self.node}, {self._passed():.0f} s of {limit} (drain): {reasons}")
