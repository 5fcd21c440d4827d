"""One HTTP request: proxies and redirects as the machine's environment and the task say, answers of any size."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed


class _UnixConnection(http.client.HTTPConnection):
    """A connection over a socket of the machine instead of the network."""

    path = ""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _unix_handler(path: str) -> urllib.request.HTTPHandler:
    kind = type("_Connection", (_UnixConnection,), {"path": path})

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(kind, request)  # type: ignore[arg-type]

    return Handler()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows what the task lets it follow: all, safe (what only reads), none."""

    def __init__(self, follow: str) -> None:
        self.follow = follow

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if self.follow == "none" or (self.follow == "safe" and req.get_method() not in ("GET", "HEAD")):
            return None
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None and req.get_method() == "HEAD":
            new.method = "HEAD"
        old, other = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if new is not None and (old.scheme, old.netloc) != (other.scheme, other.netloc):
            # Whoever the answer sends us to does not get the password.
            new.headers.pop("Authorization", None)
        return new


def _tls(call: Call) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=call["ca_path"])
        if not call["validate_certs"]:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if call["client_cert"]:
            context.load_cert_chain(call["client_cert"], call["client_key"])
    except (OSError, ssl.SSLError) as error:
        raise ModuleFailed("certificates cannot be read: %s" % (getattr(error, "strerror", None) or error)) from None
    return context


def fetch(call: Call, url: str, method: str, body: bytes | None, headers: dict[str, str], follow: str) -> Any:
    """What `kprov.provision.agent.web.open_url` says of itself."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https", "ftp", "file"):
        raise ModuleFailed("url must begin with http:// or https://, not %s" % url)
    handlers: list[Any] = [_Redirects(follow)]
    if parts.scheme == "https":
        handlers.append(urllib.request.HTTPSHandler(context=_tls(call)))
    if call.get("unix_socket"):
        handlers.append(_unix_handler(call["unix_socket"]))
    if not call["use_proxy"] or call.get("unix_socket"):
        handlers.append(urllib.request.ProxyHandler({}))
    elif call.environment:
        proxies = {key[:-6].lower(): value for key, value in call.environment.items() if key.lower().endswith("_proxy")}
        if proxies:
            handlers.append(urllib.request.ProxyHandler(proxies))
    user, password = call["url_username"] or parts.username, call["url_password"] or parts.password or ""
    if parts.username:
        netloc = parts.netloc.rpartition("@")[2]
        url = urllib.parse.urlunsplit(parts._replace(netloc=netloc))
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 - schemes are checked
    request.add_header("User-Agent", call["http_agent"])
    for name, value in {**headers, **call["headers"]}.items():
        request.add_header(str(name), str(value))
    if user:
        if call["force_basic_auth"] or not parts.username:
            token = base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
            request.add_header("Authorization", "Basic " + token)
        manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        manager.add_password(None, url, user, password)
        handlers += [urllib.request.HTTPBasicAuthHandler(manager), urllib.request.HTTPDigestAuthHandler(manager)]
    try:
        return urllib.request.build_opener(*handlers).open(request, timeout=call["timeout"])
    except urllib.error.HTTPError as answer:
        return answer
    except urllib.error.URLError as error:
        reason = error.reason
        raise reason if isinstance(reason, OSError) else OSError(str(reason)) from None
    except (http.client.HTTPException, ValueError) as error:
        raise OSError("%s: %s" % (type(error).__name__, error)) from None
