"""uri: an HTTP request from the machine.

Parameters:
    url: where.
    method: GET, POST and the like.
    body: what is sent; a mapping or list as JSON.
    body_format: how the body is written.
    src: a file of the machine that is sent.
    headers: further headers.
    status_code: the status, or several, that are no failure.
    return_content: whether the content is a value of the result.
    dest: a file (or folder) that the content is written to.
    creates: a path that makes the request unnecessary when it is there.
    removes: a path that makes the request unnecessary when it is not there.
    follow_redirects: which are followed: of all methods, of GET and HEAD (safe), or none.
    timeout: seconds until nobody is taken to answer.
    http_agent: what the request says who asks.
    url_username: for the server.
    url_password: for the server.
    force_basic_auth: send both at once, without being asked.
    validate_certs: whether the server's certificate must be good.
    ca_path: a file with the authorities that it may come from.
    client_cert: a file with our certificate.
    client_key: a file with its key.
    use_proxy: whether the environment's proxies are used.
    unix_socket: talk over this socket.
    mode: the file's permissions.
    owner: the file's owner.
    group: the file's group.
    retries: ask so many times more until the status is as wished (kprov's own).
    delay: seconds between two tries (kprov's own).

Returns:
    status: the answer's.
    url: where it came from in the end.
    redirected: whether that is somewhere else.
    content: where return_content is true, or the request failed.
    json: the content, where it is JSON.
    elapsed: seconds.
    msg: the server's words, with the length.
    path: the file that was written.
"""

from __future__ import annotations

import json
import os
import time
import urllib.parse
from typing import Any

from kprov.provision.agent import atomic, diffs, processes
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ConnectionEnded, ModuleFailed
from kprov.provision.agent.parameters import Parameter
from kprov.provision.agent.web import WEB_PARAMETERS, header_values, open_url

PARAMETERS = {
    "url": Parameter("str", required=True),
    "method": Parameter("str", default="GET"),
    "body": Parameter("any"),
    "body_format": Parameter("str", default="raw", choices=("form-urlencoded", "json", "raw")),
    "src": Parameter("path"),
    "status_code": Parameter("list", default=[200], elements="int"),
    "return_content": Parameter("bool", default=False),
    "dest": Parameter("path"),
    "creates": Parameter("path"),
    "removes": Parameter("path"),
    "follow_redirects": Parameter("str", default="safe", choices=("all", "no", "none", "safe", "urllib2", "yes")),
    **{**WEB_PARAMETERS, "timeout": Parameter("float", default=30)},
    **ATTRIBUTE_PARAMETERS,
    "retries": Parameter("int", default=0),
    "delay": Parameter("float", default=1),
}
MUTUALLY_EXCLUSIVE = [("body", "src")]

_FOLLOW = {"yes": "all", "no": "none", "urllib2": "safe"}

# What an answer may hold: more belongs into a file (get_url).
LARGEST = 64 * 1024 * 1024


def _body(call: Call) -> tuple[bytes | None, dict[str, str]]:
    """What is sent, and what it is said to be."""
    body, form = call["body"], call["body_format"]
    if call["src"] is not None:
        with open(call["src"], "rb") as stream:
            return stream.read(), {"Content-Type": "application/octet-stream"}
    if body is None:
        return None, {}
    if form == "json" or (form == "raw" and isinstance(body, (dict, list))):
        text = body if isinstance(body, str) else json.dumps(body)
        return text.encode(), {"Content-Type": "application/json"}
    if form == "form-urlencoded":
        text = body if isinstance(body, str) else urllib.parse.urlencode(body, doseq=True)
        return text.encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    return str(body).encode(), {}


def _request(call: Call) -> tuple[dict[str, Any], bytes]:
    """One request: its result, its content."""
    body, headers = _body(call)
    follow = _FOLLOW.get(call["follow_redirects"], call["follow_redirects"])
    with open_url(
        call, call["url"], method=call["method"].upper(), body=body, headers=headers, follow=follow
    ) as answer:
        data = answer.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ModuleFailed("the answer is larger than %d MB: use get_url" % (LARGEST >> 20))
        url = answer.geturl() or call["url"]
        result: dict[str, Any] = {**header_values(answer), "status": answer.status, "url": url}
        result["redirected"] = url != call["url"]
        length = "%s bytes" % answer.headers.get("Content-Length", "unknown")
        result["msg"] = (
            "%s (%s)" % (answer.reason, length)
            if answer.status < 400
            else "HTTP Error %d: %s" % (answer.status, answer.reason)
        )
        if "json" in answer.headers.get("Content-Type", ""):
            try:
                result["json"] = json.loads(data)
            except ValueError:
                pass
    return result, data


def _unnecessary(call: Call) -> str | None:
    for name, exists in (("creates", True), ("removes", False)):
        if call[name] is not None and os.path.exists(call[name]) == exists:
            return "skipped, since '%s' %s" % (call[name], "exists" if exists else "does not exist")
    return None


def _write(call: Call, data: bytes, result: dict[str, Any]) -> None:
    """Have the content in the file."""
    path = call["dest"]
    if os.path.isdir(path):
        path = os.path.join(path, os.path.basename(urllib.parse.urlsplit(result["url"]).path) or "index.html")
    try:
        with open(path, "rb") as stream:
            before: bytes | None = stream.read()
    except FileNotFoundError:
        before = None
    wanted = Wanted(call.arguments, call.check)
    changes = wanted.changes(path) if before is not None else []
    result.update(path=path, changed=before != data or bool(changes))
    if call.diff:
        result["diff"] = diffs.unified(before, data, path) + diffs.values(changes, path)
    if before != data:
        atomic.write(path, data, wanted)
    elif changes:
        wanted.apply(path)


def run(call: Call) -> dict[str, Any]:
    """Ask until the answer is as wished."""
    method = call["method"].upper()
    unnecessary = _unnecessary(call)
    if unnecessary is not None:
        return {"changed": False, "msg": unnecessary, "stdout": unnecessary}
    if call.check and (method not in ("GET", "HEAD") or call["dest"] is not None):
        return {"changed": False, "skipped": True, "msg": "%s is not sent in check mode" % method}
    started, problem = time.monotonic(), ""
    result: dict[str, Any] = {}
    for attempt in range(call["retries"] + 1):
        if attempt:
            time.sleep(call["delay"])
        if processes.ending():
            raise ConnectionEnded()
        try:
            result, data = _request(call)
        except OSError as error:
            result, problem = {"status": -1, "url": call["url"]}, str(error) or type(error).__name__
            continue
        result["elapsed"] = int(time.monotonic() - started)
        good = result["status"] in call["status_code"] or (result["status"] == 304 and call["dest"] is not None)
        if call["return_content"] or not good:
            result["content"] = data.decode(errors="replace")
        if good:
            result.update(changed=False, attempts=attempt + 1)
            if call["dest"] is not None:
                _write(call, data, result)
            return result
        problem = "status %d, not %s: %s" % (
            result["status"],
            " or ".join(map(str, call["status_code"])),
            result["content"][:300] or result["msg"],
        )
    result.pop("msg", None)
    raise ModuleFailed("%s %s: %s" % (method, call["url"], problem), **result)
