"""WebhookClientConfig: where a webhook is called, in whatever object says so."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from kprov.kube.apiserver.strategy.base import FieldError, dns_subdomain_error, invalid, required

Object = dict[str, Any]
_FORM = "; desired format: https://host[/path]"


def client_errors(client: Object | None, path: str) -> list[FieldError]:
    """What is wrong with a client configuration, in upstream's words."""
    client = client or {}
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        return [required(path, "exactly one of url or service is required")]
    return _url_errors(url, f"{path}.url") if url is not None else _service_errors(service or {}, f"{path}.service")


def _url_errors(url: str, path: str) -> list[FieldError]:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError as error:
        return [required(path, f"url must be a valid URL: {error}{_FORM}")]
    found: list[FieldError] = []
    if parts.scheme != "https":
        found.append(invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    if not host:
        found.append(invalid(path, "", f"host must be provided{_FORM}"))
    if "@" in parts.netloc:
        found.append(invalid(path, parts.netloc.rpartition("@")[0], "user information is not permitted in the URL"))
    if parts.fragment:
        found.append(invalid(path, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        found.append(invalid(path, parts.query, "query parameters are not permitted in the URL"))
    return found


def _service_errors(service: Object, path: str) -> list[FieldError]:
    found = [
        required(f"{path}.{field}", f"service {field} is required")
        for field in ("name", "namespace")
        if not service.get(field)
    ]
    port = service.get("port", 443)
    if not isinstance(port, int) or not 1 <= port <= 65535:
        found.append(invalid(f"{path}.port", port, "port is not valid: must be between 1 and 65535, inclusive"))
    return found + _path_errors(service.get("path") or "/", f"{path}.path")


def _path_errors(value: str, path: str) -> list[FieldError]:
    if value == "/":
        return []
    if value == "//":
        return [invalid(path, value, "segment[0] may not be empty")]
    found = [] if value.startswith("/") else [invalid(path, value, "must start with a '/'")]
    for index, step in enumerate(value[1:].removesuffix("/").split("/")):
        if not step:
            found.append(invalid(path, value, f"segment[{index}] may not be empty"))
        elif problem := dns_subdomain_error(step):
            found.append(invalid(path, value, f"segment[{index}]: {problem}"))
    return found
