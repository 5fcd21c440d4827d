"""A client of etcd v3: several endpoints, failover, and writes whose fate is never guessed.

grpc's own balancing is not used: with ``pick_first`` a call waits for its whole deadline when the member behind it
dies, and with one channel for several TLS endpoints every member's certificate would have to carry the same name.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # children of this process exec: they never use its channels

import grpc
import grpc.aio

from kprov.kube.apiserver.storage.proto import rpc_pb2 as pb

READ_ATTEMPT_SECONDS = 3.0
READ_SECONDS = 12.0
WRITE_SECONDS = 10.0
_HOLD_OFF_SECONDS = 1.0  # an endpoint that failed is asked last for so long
_METADATA = (("hasleader", "true"),)  # a member without a leader refuses at once, rather than letting calls hang

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 6_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)

# What a member says when it did not even propose a write: asking another member is safe.
_NOT_DONE = (
    "failed to connect",
    "etcdserver: no leader",
    "connections to all backends failing",
    "etcdserver: not capable",
)


class EtcdError(Exception):
    """etcd did not do what was asked, and certainly did not change anything."""


class FateUnknown(EtcdError):
    """A write was sent and its answer was lost: only a later read tells whether it happened."""


class Compacted(EtcdError):
    """The revision asked for is older than what etcd keeps."""


@dataclass(frozen=True, slots=True)
class EtcdOptions:
    """Where etcd is and how to prove who we are."""

    servers: tuple[str, ...]
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


class _Endpoint:
    """One member: its channel and the calls on it."""

    def __init__(self, url: str, credentials: Callable[[], grpc.ChannelCredentials]) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        target = f"{parts.hostname}:{parts.port or 2379}"
        if parts.scheme == "https":
            self.channel = grpc.aio.secure_channel(target, credentials(), options=_OPTIONS)
        else:
            self.channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
        self.url = url
        self.held_off_until = 0.0
        unary = self.channel.unary_unary
        self.calls: dict[str, Any] = {
            name: unary(f"/etcdserverpb.{path}", request.SerializeToString, response.FromString)
            for name, path, request, response in (
                ("range", "KV/Range", pb.RangeRequest, pb.RangeResponse),
                ("txn", "KV/Txn", pb.TxnRequest, pb.TxnResponse),
                ("compact", "KV/Compact", pb.CompactionRequest, pb.CompactionResponse),
                ("grant", "Lease/LeaseGrant", pb.LeaseGrantRequest, pb.LeaseGrantResponse),
                ("status", "Maintenance/Status", pb.StatusRequest, pb.StatusResponse),
            )
        }
        self.watch = self.channel.stream_stream(
            "/etcdserverpb.Watch/Watch", pb.WatchRequest.SerializeToString, pb.WatchResponse.FromString
        )


class EtcdClient:
    """Calls on whichever member answers, the first one of the list preferred."""

    def __init__(self, options: EtcdOptions) -> None:
        """Raises: OSError where a certificate's file cannot be read."""

        def credentials() -> grpc.ChannelCredentials:
            def read(path: str) -> bytes | None:
                return Path(path).read_bytes() if path else None

            return grpc.ssl_channel_credentials(read(options.ca_file), read(options.key_file), read(options.cert_file))

        self._endpoints = [_Endpoint(url, credentials) for url in options.servers]
        self._revision_read: asyncio.Task[int] | None = None
        self._revision_next: asyncio.Task[int] | None = None

    def _ordered(self) -> list[_Endpoint]:
        now = time.monotonic()
        return sorted(self._endpoints, key=lambda endpoint: endpoint.held_off_until > now)

    async def _read(self, name: str, request: Any, seconds: float = READ_SECONDS) -> Any:
        """A call that changes nothing: asked again elsewhere until one member answers or the time is up."""
        deadline = time.monotonic() + seconds
        for attempt in itertools.count():
            endpoint = self._ordered()[0]
            left = deadline - time.monotonic()
            try:
                return await endpoint.calls[name](
                    request, timeout=max(0.05, min(left, READ_ATTEMPT_SECONDS)), metadata=_METADATA
                )
            except grpc.aio.AioRpcError as error:
                self._raise_final(error)
                endpoint.held_off_until = time.monotonic() + _HOLD_OFF_SECONDS
                if time.monotonic() >= deadline:
                    raise EtcdError(f"no etcd member answered within {seconds:g} s: {error.details()}") from error
                if attempt % len(self._endpoints) == len(self._endpoints) - 1:  # all failed: let a leader be elected
                    await asyncio.sleep(min(0.1, max(0.0, deadline - time.monotonic())))
        raise AssertionError("unreachable")

    @staticmethod
    def _raise_final(error: grpc.aio.AioRpcError) -> None:
        """Raise for the failures that every member would answer with."""
        details = error.details() or ""
        if error.code() is grpc.StatusCode.OUT_OF_RANGE and "compacted" in details:
            raise Compacted(details) from error
        if error.code() in (
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            grpc.StatusCode.OUT_OF_RANGE,
            grpc.StatusCode.PERMISSION_DENIED,
            grpc.StatusCode.UNAUTHENTICATED,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.UNIMPLEMENTED,
        ):
            raise EtcdError(details) from error

    async def range(
        self,
        key: bytes,
        range_end: bytes = b"",
        *,
        limit: int = 0,
        revision: int = 0,
        serializable: bool = False,
        count_only: bool = False,
    ) -> pb.RangeResponse:
        """Read one key or a range of keys, linearizably unless told otherwise.

        Raises:
            Compacted: the revision is gone.
            EtcdError: no member answered.
        """
        request = pb.RangeRequest(
            key=key,
            range_end=range_end,
            limit=limit,
            revision=revision,
            serializable=serializable,
            count_only=count_only,
        )
        response: pb.RangeResponse = await self._read("range", request)
        return response

    async def txn(
        self, compare: Sequence[pb.Compare], success: Sequence[pb.RequestOp], failure: Sequence[pb.RequestOp] = ()
    ) -> pb.TxnResponse:
        """Compare and write, once.

        Raises:
            FateUnknown: the answer was lost after the write was sent.
            EtcdError: it was certainly not done.
        """
        request = pb.TxnRequest(compare=compare, success=success, failure=failure)
        deadline = time.monotonic() + WRITE_SECONDS
        while True:
            endpoint = self._ordered()[0]
            try:
                response: pb.TxnResponse = await endpoint.calls["txn"](
                    request, timeout=max(0.05, deadline - time.monotonic()), metadata=_METADATA
                )
                return response
            except grpc.aio.AioRpcError as error:
                self._raise_final(error)
                endpoint.held_off_until = time.monotonic() + _HOLD_OFF_SECONDS
                details = error.details() or ""
                if not any(said in details for said in _NOT_DONE):
                    raise FateUnknown(f"etcd's answer to a write was lost: {details}") from error
                if time.monotonic() >= deadline:
                    raise EtcdError(f"no etcd member took a write within {WRITE_SECONDS:g} s: {details}") from error
                await asyncio.sleep(0.02)

    def is_stale(self, key: bytes) -> bool:
        """Whether a value should be written again though it does not change: never, where nothing is encrypted."""
        return False

    async def current_revision(self) -> int:
        """The revision that etcd has reached, shared by all who ask while one question is on its way.

        A caller never gets the answer to a question that was sent before it asked: that could be older than a write
        which the caller has seen finish.
        """
        if self._revision_next is None:
            self._revision_next = asyncio.ensure_future(self._ask_revision(self._revision_read))
        return await asyncio.shield(self._revision_next)

    async def _ask_revision(self, before: asyncio.Task[int] | None) -> int:
        if before is not None and not before.done():
            await asyncio.wait((before,))
        self._revision_read, self._revision_next = self._revision_next, None
        response = await self.range(b"compact_rev_key", count_only=True)
        return int(response.header.revision)

    async def grant(self, ttl_seconds: int) -> int:
        """A new lease, by its ID."""
        response: pb.LeaseGrantResponse = await self._read("grant", pb.LeaseGrantRequest(TTL=ttl_seconds))
        return int(response.ID)

    async def compact(self, revision: int) -> None:
        """Forget what is older than a revision."""
        await self._read("compact", pb.CompactionRequest(revision=revision))

    async def ready(self, seconds: float = 2.0) -> None:
        """Raise EtcdError unless a member with a leader answers a linearizable read in time."""
        await self._read("range", pb.RangeRequest(key=b"health", count_only=True), seconds)

    async def watch_all(self, start_revision: int) -> AsyncIterator[pb.WatchResponse]:
        """Every change of every key from a revision on, in order, each response whole.

        Raises:
            Compacted: the revision is gone: what was missed must be read.
            EtcdError: the stream broke: watch again from where it ended.
        """
        endpoint = self._ordered()[0]
        call = endpoint.watch(metadata=_METADATA)
        try:
            await call.write(
                pb.WatchRequest(
                    create_request=pb.WatchCreateRequest(
                        key=b"\0", range_end=b"\0", start_revision=start_revision, fragment=True, progress_notify=True
                    )
                )
            )
            parts: list[Any] = []
            async for response in call:
                if response.canceled:
                    if response.compact_revision:
                        raise Compacted(f"compacted at {response.compact_revision}")
                    raise EtcdError(f"etcd ended the watch: {response.cancel_reason}")
                if response.fragment:
                    parts.extend(response.events)
                    continue
                if parts:
                    parts.extend(response.events)
                    response = pb.WatchResponse(header=response.header, events=parts)
                    parts = []
                yield response
            raise EtcdError("etcd closed the watch")
        except grpc.aio.AioRpcError as error:
            endpoint.held_off_until = time.monotonic() + _HOLD_OFF_SECONDS
            raise EtcdError(f"the watch broke: {error.details()}") from error
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close every channel."""
        for endpoint in self._endpoints:
            await endpoint.channel.close()
