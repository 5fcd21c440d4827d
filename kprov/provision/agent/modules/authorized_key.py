"""authorized_key: SSH keys may log in as a user, or may not.

Parameters:
    user: the user.
    key: the keys, a line each; or a URL of them.
    state: whether they must be there.
    key_options: what is allowed with them, such as no-pty,from="10.0.0.0/8".
    comment: the comment of the keys.
    exclusive: all other keys go.
    path: the file; none: .ssh/authorized_keys of the user's home.
    manage_dir: the folder is made, with the owner and permissions that sshd wants.
    follow: what a link at `path` points to is changed.
    validate_certs: whether the server's certificate must be good.

Returns:
    keyfile: the file.
    key: the keys.
"""

from __future__ import annotations

import os
import pwd
import re
from typing import Any

from kprov.provision.agent import atomic, diffs, edits
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter
from kprov.provision.agent.web import WEB_PARAMETERS, open_url

PARAMETERS = {
    "user": Parameter("str", required=True),
    "key": Parameter("str", required=True),
    "state": Parameter("str", default="present", choices=("absent", "present")),
    "key_options": Parameter("str"),
    "comment": Parameter("str"),
    "exclusive": Parameter("bool", default=False),
    "path": Parameter("path"),
    "manage_dir": Parameter("bool", default=True),
    "follow": Parameter("bool", default=False),
    "validate_certs": Parameter("bool", default=True),
}

_KEY = re.compile(
    r"^(?:(?P<options>(?:[^\s\"]|\"(?:[^\"\\]|\\.)*\")+)\s+)??"
    r"(?P<kind>(?:sk-)?(?:ssh|ecdsa)-[\w@.-]+)\s+(?P<blob>[A-Za-z0-9+/]+=*)(?:\s+(?P<comment>.*?))?\s*$"
)

LARGEST = 1 << 20


class Key:
    """One line of the file that is a key."""

    def __init__(self, options: str, kind: str, blob: str, comment: str) -> None:
        self.options, self.kind, self.blob, self.comment = options, kind, blob, comment

    @property
    def line(self) -> str:
        """It, as it stands in the file."""
        return " ".join(part for part in (self.options, self.kind, self.blob, self.comment) if part)


def read_key(line: str) -> Key | None:
    """A line's key, None where it is none."""
    match = _KEY.match(line.strip())
    if match is None or line.lstrip().startswith("#"):
        return None
    return Key(match["options"] or "", match["kind"], match["blob"], match["comment"] or "")


def _wanted(call: Call) -> list[Key]:
    text = call["key"]
    if re.match(r"^https?://", text):
        web = {name: parameter.default for name, parameter in WEB_PARAMETERS.items() if name not in call.arguments}
        try:
            with open_url(call.with_arguments(**web), text) as answer:
                if (answer.status or 200) != 200:
                    raise ModuleFailed("%s: the server says %d %s" % (text, answer.status, answer.reason))
                text = answer.read(LARGEST).decode(errors="replace")
        except OSError as error:
            raise ModuleFailed("%s: %s" % (text, error)) from None
    found: list[Key] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key = read_key(line)
        if key is None:
            raise ModuleFailed("this is no SSH key: %s" % line.strip()[:60])
        if call["key_options"] is not None:
            key.options = call["key_options"]
        if call["comment"] is not None:
            key.comment = call["comment"]
        found.append(key)
    return found


def edited(call: Call, text: str, wanted: list[Key]) -> str:
    """The file's text with the keys, or without them."""
    by_blob = {key.blob: key for key in wanted}
    lines: list[str] = []
    there: set[str] = set()
    for line in text.split("\n")[: -1 if text.endswith("\n") else None] if text else []:
        key = read_key(line)
        if key is None or (key.blob not in by_blob and not (call["exclusive"] and call["state"] == "present")):
            lines.append(line)
        elif key.blob in by_blob and call["state"] == "present" and key.blob not in there:
            there.add(key.blob)
            new = by_blob[key.blob]
            same = key.options == new.options and (call["comment"] is None or key.comment == new.comment)
            lines.append(line if same else Key(new.options, new.kind, new.blob, new.comment or key.comment).line)
    if call["state"] == "present":
        lines += [key.line for blob, key in by_blob.items() if blob not in there]
    return "".join(line + "\n" for line in lines)


def _place(call: Call) -> tuple[str, int, int]:
    """The file, and whose it is."""
    try:
        entry = pwd.getpwnam(call["user"])
    except KeyError:
        if call["path"] is not None and call.check:
            return call["path"], -1, -1
        raise ModuleFailed("there is no user '%s' on this machine" % call["user"]) from None
    path = call["path"] or os.path.join(call.system_path(entry.pw_dir), ".ssh", "authorized_keys")
    return (os.path.realpath(path) if call["follow"] else path), entry.pw_uid, entry.pw_gid


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    wanted = _wanted(call)
    try:
        path, uid, gid = _place(call)
    except ModuleFailed:
        if not call.check:
            raise
        return {"changed": True, "key": call["key"], "msg": "there is no user '%s' yet" % call["user"]}
    before = edits.read_text(path)
    after = edited(call, before or "", wanted)
    result: dict[str, Any] = {"changed": after != (before or ""), "keyfile": path, "key": call["key"]}
    if not result["changed"]:
        return result
    old = None if before is None else before.encode(errors="surrogateescape")
    new = after.encode(errors="surrogateescape")
    result["diff"] = diffs.unified(old, new, path) if call.diff else ""
    if not call.check:
        folder = os.path.dirname(path)
        owner = {"owner": str(uid), "group": str(gid)} if os.geteuid() == 0 else {}
        if call["manage_dir"]:
            if not os.path.isdir(folder):
                os.mkdir(folder, 0o700)
            Wanted({"mode": "0700", **owner}).apply(folder)
        atomic.write(path, new, Wanted({"mode": "0600", **owner} if call["manage_dir"] else {}))
    return result
