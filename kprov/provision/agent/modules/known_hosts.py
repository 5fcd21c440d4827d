"""known_hosts: a host's SSH key is known, or is not.

Parameters:
    name: the host, as it is logged in to; [NAME]:PORT for another port.
    key: the line, such as `host.example ssh-ed25519 AAAA...`; or the key without the name.
    path: the file.
    hash_host: the name is not readable in the file.
    state: whether it must be there; absent without a key: no key of the host.

Returns:
    name: the host.
    path: the file.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import Any

from kprov.provision.agent import diffs, edits
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", required=True, aliases=("host",)),
    "key": Parameter("str"),
    "path": Parameter("path", default="~/.ssh/known_hosts"),
    "hash_host": Parameter("bool", default=False),
    "state": Parameter("str", default="present", choices=("absent", "present")),
}
REQUIRED_IF = [("state", "present", ("key",))]


def _hashed(name: str, salt: bytes) -> str:
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return "|1|%s|%s" % (base64.b64encode(salt).decode(), base64.b64encode(digest).decode())


def _names(field: str, host: str) -> bool:
    """Whether a line's first field names the host, hashed or not."""
    for name in field.split(","):
        if name.startswith("|1|"):
            parts = name.split("|")
            try:
                if len(parts) == 4 and _hashed(host, base64.b64decode(parts[2])) == name:
                    return True
            except ValueError:
                continue
        elif name == host:
            return True
    return False


def _wanted(call: Call) -> list[tuple[str, str]]:
    """The kinds and keys that are asked for."""
    found: list[tuple[str, str]] = []
    for line in (call["key"] or "").splitlines():
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        if fields[0].startswith("@"):
            raise ModuleFailed("lines with a mark such as %s are not written by this module" % fields[0])
        if not fields[0].startswith(("ssh-", "ecdsa-", "sk-")):
            if not _names(fields[0], call["name"]):
                raise ModuleFailed("the key is of %s, not of %s" % (fields[0], call["name"]))
            fields = fields[1:]
        if len(fields) < 2 or not fields[0].startswith(("ssh-", "ecdsa-", "sk-")):
            raise ModuleFailed("'key' is no SSH host key: write `HOST TYPE KEY`")
        found.append((fields[0], fields[1]))
    return found


def edited(call: Call, text: str) -> str:
    """The file's text with the host's keys, or without them."""
    wanted = _wanted(call)
    kinds = {kind for kind, _ in wanted}
    lines: list[str] = []
    there: set[tuple[str, str]] = set()
    for line in edits.lines_of(text):
        fields = line.split()
        if len(fields) < 3 or fields[0][0] in "#@" or not _names(fields[0], call["name"]):
            lines.append(line)
            continue
        key = (fields[1], fields[2])
        if call["state"] == "absent":
            if wanted and key not in wanted:
                lines.append(line)
        elif key in wanted and call["hash_host"] == fields[0].startswith("|1|"):
            there.add(key)
            lines.append(line)
        elif fields[1] not in kinds:
            lines.append(line)
    if call["state"] == "present":
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        name = _hashed(call["name"], os.urandom(20)) if call["hash_host"] else call["name"]
        lines += ["%s %s %s\n" % (name, kind, key) for kind, key in wanted if (kind, key) not in there]
    return "".join(lines)


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    path = os.path.expanduser(call["path"])
    before = edits.read_text(path)
    after = edited(call, before or "")
    if call["hash_host"] and call.check and after != (before or ""):
        # The salt is drawn when it is written; until then the line is shown without.
        diff = diffs.values([("key of " + call["name"], None, "(hashed)")], path)
        return {"changed": True, "name": call["name"], "path": path, "diff": diff if call.diff else ""}
    result = edits.write_back(call.with_arguments(create=True), path, before, after)
    return {**result, "name": call["name"]}
