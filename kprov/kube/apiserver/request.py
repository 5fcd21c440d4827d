"""What a request asks for, and who asks: the two facts that authorization, admission and handlers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kprov.kube.api.selectors import SelectorError, parse_field_selector

ANONYMOUS = "system:anonymous"
UNAUTHENTICATED_GROUP = "system:unauthenticated"
AUTHENTICATED_GROUP = "system:authenticated"


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Who sent a request, as authentication found it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """The authentication.k8s.io/v1 UserInfo that reviews and admission carry."""
        info: dict[str, object] = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        if self.groups:
            info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra.items()}
        return info


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What a request asks for, in the words of RBAC rules.

    ``verb`` is the API's verb (get, list, watch, create, update, patch, delete, deletecollection) for resources and the
    HTTP method in lower case for other paths. Empty strings stand for "none".
    """

    verb: str
    path: str
    is_resource: bool = False
    api_prefix: str = ""  # "api" or "apis"
    api_group: str = ""
    api_version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    remainder: str = ""  # what follows the subresource: the path that a proxy passes on
    label_selector: str = ""
    field_selector: str = ""

    @classmethod
    def of_attributes(cls, told: Mapping[str, str], version: str) -> RequestInfo:
        """What somebody asks about who sends no such request: a review, an expression in CEL.

        Args:
            told: verb, group, resource and so on, as a review's resourceAttributes name them; what is left out is none.
            version: of the API.
        """
        group = told.get("group", "")
        return cls(
            verb=told.get("verb", ""),
            path="",
            is_resource=True,
            api_prefix="apis" if group else "api",
            api_group=group,
            api_version=version,
            namespace=told.get("namespace", ""),
            resource=told.get("resource", ""),
            subresource=told.get("subresource", ""),
            name=told.get("name", ""),
        )


_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


def says_true(query: Mapping[str, str], name: str) -> bool:
    """Whether a query's parameter says true: upstream takes all for it but "false", "0" and its absence."""
    return name in query and query[name].lower() not in ("false", "0")


def _names_one_object(field_selector: str) -> str:
    """The name that a field selector pins with metadata.name=NAME, or nothing.

    Rights to objects by name hang on it, so it is read as who selects the objects reads it.
    """
    if "metadata.name" not in field_selector:
        return ""
    try:
        return parse_field_selector(field_selector).exact("metadata.name") or ""
    except SelectorError:  # who selects the objects says so
        return ""


def parse_request_info(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Read a request line as upstream's RequestInfoFactory does.

    Args:
        method: the HTTP method.
        path: the URL's path, decoded.
        query: the query's parameters (the first of each).

    Returns:
        The request in RBAC's words; ``is_resource`` is false outside /api/VERSION and /apis/GROUP/VERSION.
    """
    parts = [part for part in path.split("/") if part]
    bare = RequestInfo(verb=method.lower(), path=path)
    if not parts or parts[0] not in ("api", "apis"):
        return bare
    prefix = parts[0]
    minimum = 3 if prefix == "api" else 4
    if len(parts) < minimum:
        return bare
    group, version, rest = ("", parts[1], parts[2:]) if prefix == "api" else (parts[1], parts[2], parts[3:])
    verb = _VERBS.get(method, method.lower())
    watching = says_true(query, "watch")
    old_watch = False
    if rest[0] in ("watch", "proxy") and len(rest) > 1:  # the old prefixes: /api/v1/watch/pods
        old_watch = rest[0] == "watch"
        rest = rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    field_selector = query.get("fieldSelector", "")
    if verb == "get" and not subresource and (old_watch or (watching and not name)):  # one object is got, not watched
        verb = "watch"
        name = name or _names_one_object(field_selector)
    elif verb == "get" and not name:
        verb = "list"
        name = _names_one_object(field_selector)
    elif verb == "delete" and not name:
        verb = "deletecollection"
    return RequestInfo(
        verb=verb,
        path=path,
        is_resource=True,
        api_prefix=prefix,
        api_group=group,
        api_version=version,
        namespace=namespace,
        resource=resource,
        subresource=subresource,
        name=name,
        remainder="/".join(rest[3:]),
        label_selector=query.get("labelSelector", ""),
        field_selector=field_selector,
    )
