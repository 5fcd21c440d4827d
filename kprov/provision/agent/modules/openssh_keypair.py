"""openssh_keypair: a key pair of SSH is made on the machine by its ssh-keygen; the private key never leaves it.

Parameters:
    path: the private key; the public one is beside it, with `.pub`.
    state: whether the pair must be there.
    type: the kind of key.
    size: in bits; those that ssh-keygen's users expect where it is not given (rsa 4096, ecdsa 256, dsa 1024).
    comment: the public key's.
    passphrase: seals the private key.
    force: make a new pair.
    regenerate: what becomes of a pair that is there and is another one than was asked for, or cannot be read.
    mode: the private key's permissions.
    owner: the files' owner.
    group: the files' group.

Returns:
    filename: the private key's path.
    fingerprint: the key's SHA-256.
    public_key: the public key, without its comment.
    comment: the public key's comment.
    type: the kind of key.
    size: its size in bits.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "path": Parameter("path", required=True),
    "state": Parameter("str", default="present", choices=("absent", "present")),
    "type": Parameter("str", default="rsa", choices=("dsa", "ecdsa", "ed25519", "rsa")),
    "size": Parameter("int"),
    "comment": Parameter("str"),
    "passphrase": Parameter("str", secret=True),
    "force": Parameter("bool", default=False),
    "regenerate": Parameter(
        "str",
        default="partial_idempotence",
        choices=("always", "fail", "full_idempotence", "never", "partial_idempotence"),
    ),
    **{**ATTRIBUTE_PARAMETERS, "mode": Parameter("mode", default="0600")},
}

_SIZES = {"rsa": 4096, "dsa": 1024, "ecdsa": 256, "ed25519": 256}


class _Pair:
    """A pair that is there and can be read."""

    def __init__(self, kind: str, size: int, fingerprint: str, public_key: str, comment: str) -> None:
        self.kind = kind
        self.size = size
        self.fingerprint = fingerprint
        self.public_key = public_key
        self.comment = comment

    @property
    def line(self) -> str:
        """The public key's file."""
        return " ".join(word for word in (self.public_key, self.comment) if word) + "\n"


def _keygen(call: Call, *words: str) -> Any:
    """ssh-keygen; a passphrase is what it reads, so that no list of processes shows it."""
    passphrase = call["passphrase"]
    sealed = None if passphrase is None else (passphrase + "\n").encode() * 2
    return call.run(["ssh-keygen", *words], succeed=False, stdin=sealed)


def _open(call: Call) -> list[str]:
    return ["-P", ""] if call["passphrase"] is None else []


def _found(call: Call, path: str) -> _Pair | None:
    """What a private key is; None where it can't be read."""
    told = _keygen(call, "-y", *_open(call), "-f", path)
    words = told.stdout.split()
    if told.rc != 0 or len(words) < 2:
        return None
    shown = call.run(["ssh-keygen", "-l", "-f", "-"], stdin=told.stdout.encode()).stdout.split()
    try:
        with open(path + ".pub", encoding="utf-8") as stream:
            written = stream.read().split(None, 2)
    except (OSError, UnicodeDecodeError):
        written = []
    comment = written[2].strip() if len(written) > 2 else ""
    return _Pair(shown[-1].strip("()").lower(), int(shown[0]), shown[1], " ".join(words[:2]), comment)


def _wrong(call: Call, pair: _Pair) -> str:
    """What about a pair is not as it was asked for."""
    size = call["size"] or _SIZES[call["type"]]
    if pair.kind != call["type"]:
        return "it is of type %s, not %s" % (pair.kind, call["type"])
    if pair.kind != "ed25519" and pair.size != size:
        return "it has %d bits, not %d" % (pair.size, size)
    return ""


def _is_new(call: Call, path: str, pair: _Pair | None) -> bool:
    """Whether a pair is to be made.

    Raises:
        ModuleFailed: what is there may not be replaced.
    """
    how = call["regenerate"]
    if not os.path.lexists(path) or call["force"] or how == "always":
        return True
    if pair is None:
        if how == "full_idempotence":
            return True
        raise ModuleFailed(
            "%s cannot be read as a private key: give its passphrase, move it away, or let it be replaced "
            "(regenerate: full_idempotence)" % path
        )
    wrong = _wrong(call, pair)
    if wrong and how == "fail":
        raise ModuleFailed("%s exists, and %s" % (path, wrong))
    return bool(wrong) and how != "never"


def _make(call: Call, path: str) -> None:
    """Make the pair beside its place, then put each file there."""
    folder = os.path.dirname(path) or "."
    atomic.sweep(folder)
    try:
        work = tempfile.mkdtemp(prefix=atomic.prefix(), dir=folder)
    except OSError as error:
        raise atomic.explained(error, path) from None
    try:
        made = os.path.join(work, "key")
        words = ["-q", "-t", call["type"], "-C", call["comment"] or "", "-f", made]
        if call["type"] != "ed25519":
            words += ["-b", str(call["size"] or _SIZES[call["type"]])]
        done = _keygen(call, *words, *([] if call["passphrase"] is not None else ["-N", ""]))
        if done.rc != 0:
            raise ModuleFailed("ssh-keygen could not make a key: %s" % done.words(), rc=done.rc)
        for ending, wanted in (("", Wanted(call.arguments)), (".pub", _public(call))):
            with open(made + ending, "rb") as stream:
                atomic.write(path + ending, stream.read(), wanted)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _public(call: Call) -> Wanted:
    return Wanted({**call.arguments, "mode": "0644"}, call.check)


def _closed_to_others(call: Call, path: str) -> list[tuple[str, Any, Any]]:
    """ssh-keygen reads no private key that others may read: its permissions come first. Returns: what was changed."""
    if not os.path.exists(path) or not os.stat(path).st_mode & 0o077 or call["force"]:
        return []
    wanted = Wanted(call.arguments, call.check)
    changes: list[tuple[str, Any, Any]] = wanted.changes(path)
    if changes and not call.check:
        wanted.apply(path)
    return changes


def _complete(call: Call, path: str, pair: _Pair) -> list[tuple[str, Any, Any]]:
    """Bring what belongs to a right private key in order: the public key with its comment, permissions, owners."""
    comment = pair.comment if call["comment"] is None else call["comment"]
    wanted = _Pair(pair.kind, pair.size, pair.fingerprint, pair.public_key, comment)
    try:
        with open(path + ".pub", encoding="utf-8", errors="replace") as stream:
            written: str | None = stream.read()
    except OSError:
        written = None
    changes: list[tuple[str, Any, Any]] = []
    if written is None or written.split(None, 2)[:2] != pair.public_key.split() or pair.comment != comment:
        changes.append(("public key", written and written.strip(), wanted.line.strip()))
        if not call.check:
            atomic.write(path + ".pub", wanted.line.encode(), _public(call))
    pair.comment = comment
    for name, attributes in ((path, Wanted(call.arguments, call.check)), (path + ".pub", _public(call))):
        if os.path.exists(name) and (found := attributes.changes(name)):
            changes += found
            if not call.check:
                attributes.apply(name)
    return changes


def run(call: Call) -> dict[str, Any]:
    """Look for the pair, make it where it is missing."""
    path = call["path"]
    if os.path.isdir(path):
        raise ModuleFailed("%s is a folder, not a file" % path)
    result: dict[str, Any] = {"changed": False, "filename": path}
    if call["state"] == "absent":
        there = [each for each in (path, path + ".pub") if os.path.lexists(each)]
        result.update(changed=bool(there), diff=diffs.values([("key pair", "present", None)], path) if there else "")
        for each in there if not call.check else []:
            os.unlink(each)
        return result
    opened = _closed_to_others(call, path)
    if opened and call.check:
        return {**result, "changed": True, "diff": diffs.values(opened, path)}
    pair = _found(call, path) if os.path.exists(path) else None
    if _is_new(call, path, pair):
        size = call["size"] or _SIZES[call["type"]]
        result.update(changed=True, type=call["type"], size=size)
        old = pair and pair.fingerprint
        result["diff"] = diffs.values([("key pair", old, "%s %d" % (call["type"], size))], path)
        if call.check:
            return result
        _make(call, path)
        pair = _found(call, path)
        if pair is None:
            raise ModuleFailed("ssh-keygen made %s, and cannot read it" % path)
    else:
        assert pair is not None
        changes = opened + _complete(call, path, pair)
        result.update(changed=bool(changes), diff=diffs.values(changes, path))
    return {
        **result,
        "type": pair.kind,
        "size": pair.size,
        "fingerprint": pair.fingerprint,
        "public_key": pair.public_key,
        "comment": pair.comment,
    }
