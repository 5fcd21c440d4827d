"""One round of a task as it goes to an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kprov.provision.engine import actions
from kprov.provision.engine.running.sent import Item, Sent
from kprov.provision.engine.session import HostSession
from kprov.provision.transport.link import AgentLink


@dataclass(frozen=True)
class Ready:
    """One round, ready to be sent (`prepared` None: it is skipped)."""

    item: Item
    prepared: actions.Prepared | None = None
    environment: dict[str, str] | None = None
    user: str | None = None
    job: dict[str, Any] | None = None
    """It is begun only, and goes on by itself."""


def post(sent: Sent, ready: Ready, go_on: bool, session: HostSession, link: AgentLink, more: bool = False) -> None:
    """Put a round in line, with the contents that the agent may ask for.

    Args:
        sent: the task.
        ready: the round; nothing is sent of one that is skipped.
        go_on: what comes after it is done also where it fails.
        session: the host that does it.
        link: that host's agent.
        more: another round of the same loop follows.
    """
    prepared = ready.prepared
    if prepared is None:
        return
    for sha256, source in prepared.contents.items():
        link.offer(sha256, source)
    message: dict[str, Any] = {"module": prepared.module, "arguments": prepared.arguments, "queue": session.queue}
    if sent.check:
        message["check"] = True
    if sent.diff:
        message["diff"] = True
    if ready.environment:
        message["environment"] = ready.environment
    if ready.user:
        message["become_user"] = str(ready.user)
    if ready.job:
        message["job"] = ready.job
    if go_on:
        message["go_on"] = True
    elif more:  # a loop goes on to its end, whatever fails; then the tasks after it are not done
        message["more"] = True
    ready.item.number = link.post("task", **message)
