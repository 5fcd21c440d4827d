"""A synchronous client of the Kubernetes API that goes on while any API server answers."""

from __future__ import annotations

import copy
import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import urllib3

from kprov.provision.kubeapi.credentials import Credentials

Object = dict[str, Any]

_CONNECTION = re.compile(r"^HTTPS?Connection(Pool)?\([^)]*\): ")
_NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
)


class ClusterApiError(Exception):
    """The API refused a request, or none of its servers answered.

    ``code`` is the HTTP status, 0 when there was no answer; ``reason`` is the Status object's.
    """

    def __init__(self, message: str, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class ClusterApi:
    """Requests to a cluster, with the administrator's certificate.

    A request goes to the server that answered last, and to the next one when there is no connection. A write is
    repeated only when it can't have arrived. Safe for several threads.

    Args:
        servers: base addresses, ``https://ADDRESS:PORT``.
        credentials: whom to trust, and as whom to ask.
        timeout: seconds for connecting, and for each read.
    """

    def __init__(self, servers: Sequence[str], credentials: Credentials, *, timeout: float = 10.0) -> None:
        with credentials.files() as (authority, certificate, key):
            context = ssl.create_default_context(cafile=str(authority))
            context.load_cert_chain(certificate, key)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context = context
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, maxsize=8)
        self._servers = list(servers)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._paths: dict[tuple[str, str], tuple[str, bool]] = {}

    def anew(self) -> ClusterApi:
        """A client of the same servers with connections of its own, as another program would be; to be closed."""
        other = copy.copy(self)
        other._pool = urllib3.PoolManager(ssl_context=self._context, retries=False, maxsize=8)
        other._servers = list(self._servers)
        other._lock = threading.Lock()
        other._paths = {}
        return other

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> Any:
        """One request.

        Returns: the parsed JSON, or the text of an answer that is not JSON.

        Raises:
            ClusterApiError: with the Status object's message, or what each server's connection failed with.
        """
        target = path + ("?" + urlencode(params) if params else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "User-Agent": "kprov"} | (
            {"Content-Type": content_type} if data is not None else {}
        )
        limit = urllib3.Timeout(connect=min(3.0, timeout or self._timeout), read=timeout or self._timeout)
        failures = []
        for server in list(self._servers):
            try:
                response = self._pool.request(
                    method, server + target, body=data, headers=headers, timeout=limit, redirect=False
                )
            except urllib3.exceptions.HTTPError as error:
                failures.append(f"{server}: {_reason(error)}")
                self._move_behind(server)
                if method != "GET" and not isinstance(error, _NEVER_SENT):
                    break  # it may have arrived: only the caller knows whether to say it twice
                continue
            return self._answer(method, path, response)
        raise ClusterApiError(f"{method} {path}: no API server answers: {'; '.join(failures)}")

    def watch(self, path: str, *, params: Mapping[str, str], silence: float) -> Iterator[Object]:
        """The events of one watch, as long as its server sends them.

        Args:
            params: of the collection's URL, such as resourceVersion and fieldSelector.
            silence: seconds without an event after which the connection is taken for lost; ask for bookmarks.

        Raises:
            ClusterApiError: it could not be begun, or broke; where it is resumed is for the caller to know.
        """
        target = path + "?" + urlencode({**params, "watch": "1"})
        server = self._servers[0]
        headers = {"Accept": "application/json", "User-Agent": "kprov"}
        limit = urllib3.Timeout(connect=min(3.0, silence), read=silence)
        try:
            response = self._pool.request(
                "GET", server + target, headers=headers, timeout=limit, redirect=False, preload_content=False
            )
            try:
                if response.status >= 400:
                    self._answer("GET", path, response)
                rest = b""
                for chunk in response.stream(65536):
                    *lines, rest = (rest + chunk).split(b"\n")
                    yield from (json.loads(line) for line in lines if line)
            finally:
                response.close()
        except urllib3.exceptions.HTTPError as error:
            self._move_behind(server)
            raise ClusterApiError(f"watch {path}: {server}: {_reason(error)}") from None

    def _move_behind(self, server: str) -> None:
        with self._lock:
            if self._servers and self._servers[0] == server:
                self._servers.append(self._servers.pop(0))

    def _answer(self, method: str, path: str, response: urllib3.BaseHTTPResponse) -> Any:
        kind = response.headers.get("Content-Type", "")
        content = json.loads(response.data) if kind.startswith("application/json") else response.data.decode()
        if response.status >= 400:
            status = content if isinstance(content, dict) else {}
            message = status.get("message") or str(content)[:500] or f"HTTP status {response.status}"
            raise ClusterApiError(f"{method} {path}: {message}", response.status, str(status.get("reason") or ""))
        return content

    def path(self, api_version: str, kind: str, namespace: str | None = None, name: str | None = None) -> str:
        """The URL path of a kind's collection or of one object, by the cluster's own discovery."""
        base = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        if (api_version, kind) not in self._paths:
            for entry in self.request("GET", base)["resources"]:
                if "/" not in entry["name"]:
                    self._paths[api_version, entry["kind"]] = (entry["name"], entry["namespaced"])
        try:
            plural, namespaced = self._paths[api_version, kind]
        except KeyError:
            raise ClusterApiError(f"the cluster does not serve {kind} in {api_version}", 404, "NotFound") from None
        parts = [base] + ([f"namespaces/{namespace}"] if namespaced and namespace else []) + [plural]
        return "/".join(parts + ([name] if name else []))

    def apply(self, wanted: Object) -> bool:
        """Create an object, or merge what is wanted into the one that is there.

        Returns: whether something had to be changed.

        Raises:
            ClusterApiError
        """
        live = self.find(wanted)
        if live is None:
            metadata = wanted["metadata"]
            collection = self.path(wanted["apiVersion"], wanted["kind"], metadata.get("namespace"))
            try:
                self.request("POST", collection, body=wanted)
            except ClusterApiError as error:
                if error.reason != "AlreadyExists":  # a lost answer, or somebody else was faster
                    raise
            return True
        if contains(live, wanted):
            return False
        self.request("PATCH", self._path_of(wanted), body=wanted, content_type="application/merge-patch+json")
        return True

    def find(self, wanted: Object) -> Object | None:
        """The live object of the same kind, namespace and name; None where there is none."""
        try:
            found: Object = self.request("GET", self._path_of(wanted))
        except ClusterApiError as error:
            if error.code == 404:
                return None
            raise
        return found

    def differs(self, wanted: Object) -> bool:
        """Whether `apply` would change something. Changes nothing."""
        live = self.find(wanted)
        return live is None or not contains(live, wanted)

    def _path_of(self, wanted: Object) -> str:
        metadata = wanted["metadata"]
        return self.path(wanted["apiVersion"], wanted["kind"], metadata.get("namespace"), metadata["name"])

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def contains(live: Any, wanted: Any) -> bool:
    """Whether everything that is wanted is in the live object: maps by key, lists item by item in order."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(key in live and contains(live[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(contains(have, want) for have, want in zip(live, wanted, strict=True))
        )
    return bool(live == wanted)


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, Exception) else error
    # urllib3 puts a connection, as Python writes it, before its words: whose it was is said already
    return _CONNECTION.sub("", str(cause.args[-1] if cause.args else cause)) or type(cause).__name__
