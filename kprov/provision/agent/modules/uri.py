"""uri: an HTTP request from the machine.

Parameters:
    url, method, body (a mapping is sent as JSON), headers, status_code (one or several), return_content, timeout.
    ca_path, client_cert, client_key, validate_certs: TLS. unix_socket: talk over it. retries, delay: until the
        status is as wished.

Returns:
    status, content, json (where it is one), elapsed.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import urllib.parse
from typing import Any

from kprov.provision.agent import processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ConnectionEnded, ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "url": Parameter("str", required=True),
    "method": Parameter("str", default="GET"),
    "body": Parameter("any"),
    "headers": Parameter("dict", default={}),
    "status_code": Parameter("list", default=[200]),
    "return_content": Parameter("bool", default=True),
    "timeout": Parameter("float", default=10),
    "ca_path": Parameter("path"),
    "client_cert": Parameter("path"),
    "client_key": Parameter("path"),
    "validate_certs": Parameter("bool", default=True),
    "unix_socket": Parameter("path"),
    "retries": Parameter("int", default=0),
    "delay": Parameter("float", default=1),
}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(call: Call, parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    if call["unix_socket"]:
        return _UnixConnection(call["unix_socket"], call["timeout"])
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=call["timeout"])
    if parts.scheme != "https":
        raise ModuleFailed("url must begin with http:// or https://, not %s" % call["url"])
    context = ssl.create_default_context(cafile=call["ca_path"])
    if not call["validate_certs"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if call["client_cert"]:
        context.load_cert_chain(call["client_cert"], call["client_key"])
    return http.client.HTTPSConnection(
        parts.hostname or "", parts.port or 443, timeout=call["timeout"], context=context
    )


def request(call: Call) -> dict[str, Any]:
    """One request."""
    parts = urllib.parse.urlsplit(call["url"])
    headers = {str(key): str(value) for key, value in call["headers"].items()}
    body = call["body"]
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    connection = _connection(call, parts)
    try:
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request(
            call["method"].upper(), path, body=body.encode() if isinstance(body, str) else body, headers=headers
        )
        response = connection.getresponse()
        data = response.read()
    finally:
        connection.close()
    result: dict[str, Any] = {"status": response.status, "url": call["url"], "reason": response.reason}
    if call["return_content"]:
        result["content"] = data.decode(errors="replace")
        if "json" in response.headers.get("Content-Type", ""):
            try:
                result["json"] = json.loads(data)
            except ValueError:
                pass
    return result


def run(call: Call) -> dict[str, Any]:
    """Ask until the answer is as wished."""
    method = call["method"].upper()
    if call.check and method not in ("GET", "HEAD"):
        return {"changed": False, "skipped": True, "msg": "%s is not sent in check mode" % method}
    wanted = {int(code) for code in call["status_code"]}
    started = time.monotonic()
    problem = ""
    result: dict[str, Any] = {}
    for attempt in range(call["retries"] + 1):
        if attempt:
            time.sleep(call["delay"])
        if processes.ending():
            raise ConnectionEnded()
        try:
            result = request(call)
            if result["status"] in wanted:
                return {
                    **result,
                    "changed": method not in ("GET", "HEAD"),
                    "attempts": attempt + 1,
                    "elapsed": round(time.monotonic() - started, 2),
                }
            problem = "status %d %s: %s" % (result["status"], result["reason"], result.get("content", "")[:300])
        except (OSError, http.client.HTTPException) as error:
            problem = str(error) or type(error).__name__
    raise ModuleFailed("%s %s: %s" % (method, call["url"], problem), **result)
