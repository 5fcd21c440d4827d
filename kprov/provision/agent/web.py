"""HTTP from the machine, for the modules that fetch: their parameters, and the request itself.

What speaks HTTP is imported with the first request: Python's own modules for it cost a machine more than most tasks do.
"""

from __future__ import annotations

from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

# Shared by every module that fetches.
WEB_PARAMETERS = {
    "timeout": Parameter("float", default=10),
    "headers": Parameter("dict", default={}),
    "http_agent": Parameter("str", default="ansible-httpget"),
    "url_username": Parameter("str", aliases=("username", "user")),
    "url_password": Parameter("str", aliases=("password",), secret=True),
    "force_basic_auth": Parameter("bool", default=False),
    "validate_certs": Parameter("bool", default=True),
    "ca_path": Parameter("path"),
    "client_cert": Parameter("path"),
    "client_key": Parameter("path"),
    "use_proxy": Parameter("bool", default=True),
    "unix_socket": Parameter("path"),
}


def open_url(
    call: Call,
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    follow: str = "all",
) -> Any:
    """Send a request and return the answer, whatever its status; the caller reads and closes it.

    Args:
        call: the task; its WEB_PARAMETERS say how.
        url: where.
        method: GET and the like.
        body: what is sent.
        headers: besides the task's own.
        follow: which redirects are followed: all, safe, none.

    Raises:
        ModuleFailed: the URL is none, or a certificate cannot be read.
        OSError: nobody answered.
    """
    from kprov.provision.agent.fetching import fetch

    return fetch(call, url, method, body, headers or {}, follow)


def header_values(answer: Any) -> dict[str, str]:
    """An answer's headers as Ansible returns them: in lower case, `-` as `_`."""
    found: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower().replace("-", "_")
        found[key] = found[key] + ", " + value if key in found else value
    return found
