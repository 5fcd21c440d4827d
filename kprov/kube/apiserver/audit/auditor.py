"""Records requests as the policy says."""

from __future__ import annotations

from collections.abc import AsyncIterator

from kprov.kube.api import errors
from kprov.kube.api.metrics import REGISTRY
from kprov.kube.apiserver.audit.event import Event
from kprov.kube.apiserver.audit.log_file import LogFile
from kprov.kube.apiserver.audit.policy import (
    REQUEST_RECEIVED,
    RESPONSE_COMPLETE,
    RESPONSE_STARTED,
    Level,
    Policy,
)
from kprov.kube.apiserver.http.message import Answer, Request, Response, Stream
from kprov.kube.apiserver.request import UserInfo

_EVENTS = REGISTRY.counter(
    "apiserver_audit_event_total", "Counter of audit events generated and sent to the audit backend."
)
_LEVELS = REGISTRY.counter(
    "apiserver_audit_level_total", "Counter of policy levels for audit events (1 per request).", ("level",)
)
_REJECTED = REGISTRY.counter(
    "apiserver_audit_requests_rejected_total",
    "Counter of apiserver requests rejected due to an error in audit logging backend.",
)


class Auditor:
    """The audit log.

    Args:
        policy: what is recorded.
        log: where.
        strict: refuse a request whose arrival can't be recorded (upstream's mode "blocking-strict").
    """

    def __init__(self, policy: Policy, log: LogFile, *, strict: bool) -> None:
        self._policy, self._log, self._strict = policy, log, strict

    async def begin(self, request: Request, user: UserInfo) -> Event | None:
        """Record that a request came, from whom it was authenticated as. Returns None where it is not to be recorded.

        Raises: ApiError (500) where it must be, and can't.
        """
        rule = self._policy.rule_for(user, request.info)
        _LEVELS.inc(rule.level.wire)
        if rule.level is Level.None_:
            return None
        event = Event(rule, request, user)
        if REQUEST_RECEIVED not in rule.omitted_stages:
            _EVENTS.inc()
            written = await self._log.append(event.line(REQUEST_RECEIVED))
            if self._strict and not written:
                _REJECTED.inc()
                raise errors.internal("the request can't be recorded in the audit log, and so is not served")
        return event

    async def finish(self, event: Event, answer: Answer) -> None:
        """Record what came of it: of a stream, that it began now, and its end when it ends."""
        if isinstance(answer, Stream):
            await self._write(event, RESPONSE_STARTED, answer.status)
            answer.chunks = self._until_the_end(event, answer.status, answer.chunks)
        elif isinstance(answer, Response):
            await self._write(event, RESPONSE_COMPLETE, answer.status, answer)
        else:  # a tunnel: from now on only its two ends know of it
            await self._write(event, RESPONSE_STARTED, 101)
            await self._write(event, RESPONSE_COMPLETE, 101)

    async def _until_the_end(self, event: Event, status: int, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            if close := getattr(chunks, "aclose", None):
                await close()
            await self._write(event, RESPONSE_COMPLETE, status)

    async def _write(self, event: Event, stage: str, status: int, answer: Response | None = None) -> None:
        if stage not in event.rule.omitted_stages:
            _EVENTS.inc()
            await self._log.append(event.line(stage, status, answer))

    def close(self) -> None:
        """Write what is left, and end."""
        self._log.close()
