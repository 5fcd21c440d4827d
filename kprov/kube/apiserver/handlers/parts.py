"""What handlers work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.extensions.conversion import Conversion
from kprov.kube.apiserver.http.message import Answer, Request
from kprov.kube.apiserver.request import RequestInfo, UserInfo
from kprov.kube.apiserver.storage.store import Store


class AdmissionChain(Protocol):
    """What may change or refuse a write."""

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Change ``attrs.obj`` in place, or raise ApiError."""

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Raise ApiError where the write is not admitted."""


class Authorizer(Protocol):
    """Who decides what a user may do."""

    async def authorize(self, user: UserInfo, info: RequestInfo) -> Any:
        """A decision with ``allowed`` and ``reason``."""

    def rules_for(self, user: UserInfo, namespace: str) -> Any:
        """What a user may do in a namespace."""


class Definitions(Protocol):
    """Who knows the kinds that users define (extensions/controller.py)."""

    async def catch_up(self) -> None:
        """Return once every kind that is defined in etcd is served here."""


class Aggregator(Protocol):
    """Who passes requests on to other API servers (aggregation/aggregator.py)."""

    def serving(self, path: str) -> Any:
        """The other server that a path belongs to, or None."""

    async def forward(self, request: Request, remote: Any) -> Answer:
        """Its answer to a request."""


class Allocation(Protocol):
    """What hands out cluster IPs and node ports (services/allocation.py)."""

    async def allocate(self, service: dict[str, Any], old: dict[str, Any] | None, dry_run: bool) -> Any:
        """Fill in addresses and ports; returns something with ``commit()`` and ``undo()``."""

    async def release(self, service: dict[str, Any]) -> None:
        """Give back what a deleted Service held."""


@dataclass(slots=True)
class Parts:
    """The rooms that handlers call."""

    store: Store
    options: Any
    authenticator: Any
    authorizer: Authorizer
    admission: AdmissionChain
    definitions: Definitions
    aggregator: Aggregator
    conversion: Conversion
    allocation: Allocation | None = None
    token_issuer: Any = None
    kubelets: Any = None  # kubelet/connection.py
    stopping: Any = None  # asyncio.Event: watches end when it is set
    extra: dict[str, Any] = field(default_factory=dict)
