"""The walk of a request: who asks, may they, and which handler answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver import deprecations
from kprov.kube.apiserver.audit.auditor import Auditor
from kprov.kube.apiserver.authentication.impersonation import impersonate, is_requested
from kprov.kube.apiserver.authorization.refusal import forbidden
from kprov.kube.apiserver.deadlines import Deadlines
from kprov.kube.apiserver.discovery.documents import subresource_verbs
from kprov.kube.apiserver.handlers import (
    apply,
    bodies,
    create,
    deletion,
    namespaces,
    patching,
    pods,
    put,
    read,
    reviews,
    scale,
    tokens,
    watch,
)
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Answer, Request, Response, Tunnel, json_response
from kprov.kube.apiserver.inflight import InFlight
from kprov.kube.apiserver.kubelet import forward
from kprov.kube.apiserver.output.people import indented, is_for_people
from kprov.kube.apiserver.request import UserInfo
from kprov.kube.apiserver.request_metrics import RequestMetrics
from kprov.kube.apiserver.resources import ResourceInfo, find
from kprov.kube.apiserver.storage.etcd import EtcdError, FateUnknown
from kprov.kube.apiserver.storage.hub import NotFreshInTime

_log = logging.getLogger(__name__)

ResourceHandler = Callable[[Parts, Request, ResourceInfo], Awaitable[Answer]]
PathHandler = Callable[[Request], Awaitable[Answer | None]]


async def _patch(parts: Parts, request: Request, info: ResourceInfo) -> Answer:
    """PATCH: an apply is told from the others by its media type."""
    handler = apply.apply if bodies.media_type(request) == patching.APPLY_PATCH else patching.patch
    return await handler(parts, request, info)


_VERBS: dict[str, ResourceHandler] = {
    "get": read.get,
    "list": read.list_objects,
    "watch": watch.watch,
    "create": create.create,
    "update": put.put,
    "patch": _patch,
    "delete": deletion.delete,
    "deletecollection": deletion.delete_collection,
}
_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETE"}
_LONG_RUNNING = frozenset({"attach", "exec", "log", "portforward", "proxy"})
_SUBRESOURCES: dict[tuple[str, str], ResourceHandler] = {
    ("pods", "binding"): pods.bind,
    ("pods", "eviction"): pods.evict,
    ("pods", "exec"): forward.pod_stream,
    ("pods", "attach"): forward.pod_stream,
    ("pods", "log"): forward.pod_stream,
    ("pods", "portforward"): forward.pod_stream,
    ("pods", "proxy"): forward.pod_proxy,
    ("nodes", "proxy"): forward.node_proxy,
    ("services", "proxy"): forward.service_proxy,
    ("namespaces", "finalize"): namespaces.finalize,
    ("serviceaccounts", "token"): tokens.issue,
}
_OPEN_PATHS = frozenset({"healthz", "livez", "readyz"})  # a load balancer has no credentials


class Dispatcher:
    """Answers requests.

    Args:
        parts: the rooms.
        paths: answers paths that are no resources; None for "no such path".
        inflight: the limits on requests at a time.
        metrics: counts requests.
        timeout: seconds that a request may take, streams aside.
        auditor: the audit log, where one is kept.
    """

    def __init__(
        self,
        parts: Parts,
        paths: PathHandler,
        inflight: InFlight,
        metrics: RequestMetrics,
        timeout: float,
        auditor: Auditor | None = None,
    ) -> None:
        self._parts = parts
        self._paths = paths
        self._inflight = inflight
        self._metrics = metrics
        self._deadlines = Deadlines(timeout)
        self._auditor = auditor

    async def handle(self, request: Request) -> Answer:
        """One request's answer, whatever happens."""
        began = time.monotonic()
        try:
            answer = await self._walk(request)
        except ApiError as error:
            answer = self._refusal(request, error)
        except FateUnknown as error:
            _log.warning("%s %s: %s", request.method, request.path, error)
            answer = self._refusal(request, errors.timeout("the write was sent to etcd and its answer was lost"))
        except NotFreshInTime:
            answer = self._refusal(request, errors.timeout("the watch cache is behind etcd", 1))
        except EtcdError as error:
            _log.warning("%s %s: %s", request.method, request.path, error)
            answer = self._refusal(request, _etcd_failure(str(error)))
        except asyncio.CancelledError:
            raise
        except TimeoutError:
            self._metrics.terminated(request, 504)
            answer = self._refusal(request, errors.timeout("request did not complete within the allotted timeout"))
        except RecursionError:
            answer = self._refusal(request, errors.bad_request("the request's body is nested too deeply"))
        except Exception:
            _log.exception("%s %s failed", request.method, request.path)
            answer = self._refusal(request, errors.internal("the server has a fault: its log says more"))
        if not isinstance(answer, Tunnel):
            if isinstance(answer, Response) and is_for_people(request):
                answer.body = indented(answer)
            answer.headers.setdefault("Cache-Control", "no-cache, private")
            if request.warnings:
                answer.headers["Warning"] = ", ".join(
                    f'299 - "{_quoted(text)}"' for text in dict.fromkeys(request.warnings)
                )
        if request.audit is not None and self._auditor is not None:
            if not isinstance(answer, Tunnel):
                answer.headers["Audit-Id"] = request.audit.id
            await self._auditor.finish(request.audit, answer)
        seconds = time.monotonic() - began
        if isinstance(answer, Response):
            size = sum(map(len, answer.pieces)) if answer.pieces else len(answer.body)
            self._metrics.observe(request, answer.status, seconds, size)
        else:
            self._metrics.observe(request, 0 if isinstance(answer, Tunnel) else answer.status, seconds)
        if not isinstance(answer, Response):
            answer.ended = self._metrics.opened(request)
        return answer

    def _refusal(self, request: Request, error: ApiError) -> Response:
        headers = {}
        if error.retry_after is not None:
            headers["Retry-After"] = str(int(error.retry_after))
        if error.code == 401:
            headers["WWW-Authenticate"] = 'Basic realm="kubernetes-master"'
        answer = json_response(error.status, error.code, headers)
        answer.body += b"\n"  # as upstream ends it
        return answer

    async def _walk(self, request: Request) -> Answer:
        if request.path.split("/", 2)[1] in _OPEN_PATHS:
            return await self._path(request)
        user = await self._parts.authenticator.authenticate(request.headers, request.peer_cert, request.peer_chain)
        if self._auditor is not None:
            request.audit = await self._auditor.begin(request, user or UserInfo(""))
        if user is None:
            raise errors.unauthorized()
        if is_requested(request.headers):
            user = await impersonate(user, request.headers, self._parts.authorizer)
            if request.audit is not None:
                request.audit.impersonated = user
        request.user = user
        info = request.info
        long_running = info.verb == "watch" or info.subresource in _LONG_RUNNING
        if long_running:
            return await self._authorized(request)
        with self._slot(request, user), self._deadlines.limit():
            return await self._authorized(request)

    def _slot(self, request: Request, user: UserInfo) -> AbstractContextManager[None]:
        """A place for a request that is not long-running. Raises ApiError (429)."""
        try:
            return self._inflight.slot(request.info.verb in ("get", "list") or request.method == "GET", user)
        except ApiError as error:
            self._metrics.terminated(request, error.code)
            raise

    async def _authorized(self, request: Request) -> Answer:
        decision = await self._parts.authorizer.authorize(request.user, request.info)
        if request.audit is not None:
            request.audit.annotations = {
                "authorization.k8s.io/decision": "allow" if decision.allowed else "forbid",
                "authorization.k8s.io/reason": decision.reason,
            }
        if not decision.allowed:
            raise forbidden(request.user, request.info, decision.reason)
        remote = self._parts.aggregator.serving(request.path)
        if remote is not None:
            return await self._parts.aggregator.forward(request, remote)
        if not request.info.is_resource:
            return await self._path(request)
        return await self._resource(request)

    async def _path(self, request: Request) -> Answer:
        answer = await self._paths(request)
        if answer is None and request.path.startswith("/apis/"):
            await self._parts.definitions.catch_up()  # it may be served since a moment ago, by another server's word
            if remote := self._parts.aggregator.serving(request.path):
                return await self._parts.aggregator.forward(request, remote)
            answer = await self._paths(request)
        if answer is None:
            raise errors.path_not_found()
        return answer

    async def _resource(self, request: Request) -> Answer:
        info = request.info
        resource = find(info.api_group, info.resource)
        if resource is None or info.api_version not in resource.versions:
            # It may have been defined a moment ago, at another server.
            await self._parts.definitions.catch_up()
            if remote := self._parts.aggregator.serving(request.path):
                return await self._parts.aggregator.forward(request, remote)
            resource = find(info.api_group, info.resource)
            if resource is None or info.api_version not in resource.versions:
                raise errors.path_not_found()
        if resource.namespaced and not info.namespace and (info.name and info.verb not in ("list", "watch")):
            raise errors.path_not_found()
        if not resource.namespaced and info.namespace and resource.plural != "namespaces":
            raise errors.path_not_found()
        if told := deprecations.warning(resource, info.api_version):
            request.warnings.append(told)
        if info.subresource:
            return await self._subresource(request, resource)
        everywhere = info.verb == "deletecollection" and resource.namespaced and not info.namespace
        nameless = info.verb in ("update", "patch") and not info.name
        if info.verb not in resource.verbs or everywhere or nameless or (request.method == "POST" and info.name):
            raise errors.method_not_supported(resource, _METHODS.get(info.verb, "GET"))
        if resource.plural == "bindings":
            return await pods.bind(self._parts, request, resource)
        if resource.plural == "componentstatuses":
            from kprov.kube.apiserver.handlers import component_statuses

            return await component_statuses.answer(self._parts, request, resource)
        if not resource.storage_prefix:
            return await reviews.review(self._parts, request, resource)
        return await _VERBS[info.verb](self._parts, request, resource)

    async def _subresource(self, request: Request, resource: ResourceInfo) -> Answer:
        info = request.info
        if info.subresource not in resource.subresources:
            raise errors.path_not_found()
        if info.verb not in subresource_verbs(info.subresource) and info.subresource != "proxy":
            raise errors.method_not_supported(resource, request.method)
        if info.subresource == "scale":
            return await scale.scale(self._parts, request, resource)
        handler = _SUBRESOURCES.get((info.resource, info.subresource))
        if handler is None:  # the whole object, of which a part changes: status, approval, ...
            handler = {"get": read.get, "update": put.put, "patch": _patch}[info.verb]
        return await handler(self._parts, request, resource)


def _etcd_failure(text: str) -> ApiError:
    """What a client is told when etcd did not do what was asked: nothing was changed, try again."""
    if "request is too large" in text:
        return errors.too_large("etcdserver: request is too large")
    error = errors.service_unavailable(f"etcd: {text}")
    error.status["details"] = {"retryAfterSeconds": 1}
    return error


def _quoted(text: str) -> str:
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)  # a header has one line
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
