"""openssl_privatekey: a private key is made on the machine by its openssl, and never leaves it.

Parameters:
    path: the file.
    type: the kind of key.
    curve: of an ECC key.
    size: of an RSA key, in bits.
    force: make a new one.
    mode: the file's permissions.
    owner: the file's owner.
    group: the file's group.

Returns:
    public_key_sha256: of the public key in DER; the key itself is never told.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "path": Parameter("path", required=True),
    "type": Parameter("str", default="ECC", choices=("ECC", "RSA")),
    "curve": Parameter("str", default="prime256v1"),
    "size": Parameter("int", default=2048),
    "force": Parameter("bool", default=False),
    **{**ATTRIBUTE_PARAMETERS, "mode": Parameter("mode", default="0600")},
}

_CURVES = {"secp256r1": "prime256v1", "P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1"}


def public_key_hash(call: Call, path: str) -> str | None:
    """SHA-256 of a key's public half, None where it is no key (cut off, sealed)."""
    completed = call.run(["openssl", "pkey", "-in", path, "-passin", "pass:", "-pubout"], succeed=False)
    if completed.rc != 0:
        return None
    import base64

    lines = [line for line in completed.stdout.splitlines() if line and not line.startswith("-----")]
    return hashlib.sha256(base64.b64decode("".join(lines))).hexdigest()


def _make(call: Call) -> bytes:
    if call["type"] == "ECC":
        curve = _CURVES.get(call["curve"], call["curve"])
        options = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve, "-pkeyopt", "ec_param_enc:named_curve"]
    else:
        options = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:%d" % call["size"]]
    completed = call.run(["openssl", "genpkey", *options], succeed=False)
    if completed.rc != 0:
        raise ModuleFailed("openssl could not make a key: %s" % completed.stderr.strip()[-500:])
    return completed.stdout.encode()


def run(call: Call) -> dict[str, Any]:
    """Look for the key, make it where it is missing."""
    path = call["path"]
    result: dict[str, Any] = {"changed": False, "path": path, "public_key_sha256": None}
    wanted = Wanted(call.arguments, call.check)
    exists = os.path.exists(path)
    found = public_key_hash(call, path) if exists else None
    if found is not None and not call["force"]:
        changes = wanted.changes(path)
        if changes:
            result["changed"] = True
            result["diff"] = diffs.values(changes, path) if call.diff else ""
            if not call.check:
                wanted.apply(path)
        result["public_key_sha256"] = found
        return result
    if exists and found is None and os.path.getsize(path) and not call["force"]:
        raise ModuleFailed(
            "%s exists and is no private key that openssl can read: move it away, or force: true makes a new one" % path
        )
    result["changed"] = True
    if call.diff:
        result["diff"] = diffs.values(
            [("private key", None, "%s %s" % (call["type"], call["curve"] if call["type"] == "ECC" else call["size"]))],
            path,
        )
    if not call.check:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        atomic.write(path, _make(call), wanted)
        result["public_key_sha256"] = public_key_hash(call, path)
    return result
