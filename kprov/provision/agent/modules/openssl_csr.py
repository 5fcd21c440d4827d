"""openssl_csr: a certificate signing request for a key of the machine, returned; written only where path is given.

Parameters:
    privatekey_path: the key.
    common_name: the subject's name.
    organization: the subject's organizations.
    subject_alt_name: further names, such as DNS:x and IP:1.2.3.4.
    path: a file that the request is written to.
    mode: the file's permissions.
    owner: the file's owner.
    group: the file's group.

Returns:
    csr: in PEM; none in check mode while there is no key.
    public_key_sha256: of the public key in DER.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from kprov.provision.agent import atomic
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_hash
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.modules.openssl_privatekey import public_key_hash
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "privatekey_path": Parameter("path", required=True),
    "common_name": Parameter("str", required=True, aliases=("commonName", "CN")),
    "organization": Parameter("list", default=[], aliases=("O", "organization_name")),
    "subject_alt_name": Parameter("list", default=[], aliases=("subjectAltName",)),
    "path": Parameter("path"),
    **ATTRIBUTE_PARAMETERS,
}


def _configuration(call: Call) -> str:
    """What openssl reads: names as UTF-8 strings, alternative names as an extension."""
    names = [("%d.O" % index, str(value)) for index, value in enumerate(call["organization"])] + [
        ("CN", call["common_name"])
    ]
    for _, value in names:
        if "\n" in value:
            raise ModuleFailed("a name must not contain a line break: %r" % value)
    lines = ["[req]", "prompt = no", "utf8 = yes", "string_mask = utf8only", "distinguished_name = names"]
    if call["subject_alt_name"]:
        lines.append("req_extensions = extensions")
    lines += [
        "[names]",
        *[
            "%s = %s" % (key, value.replace("\\", "\\\\").replace("$", "\\$").replace("#", "\\#"))
            for key, value in names
        ],
    ]
    if call["subject_alt_name"]:
        lines += ["[extensions]", "subjectAltName = " + ", ".join(str(name) for name in call["subject_alt_name"])]
    return "\n".join(lines) + "\n"


def run(call: Call) -> dict[str, Any]:
    """Make the request."""
    key = call["privatekey_path"]
    if not os.path.exists(key):
        if call.check:
            return {"changed": False, "csr": None, "public_key_sha256": None, "msg": "there is no key yet"}
        raise ModuleFailed("there is no key %s: make it first (openssl_privatekey)" % key)
    with tempfile.NamedTemporaryFile("w", prefix="kprov-csr-") as configuration:
        configuration.write(_configuration(call))
        configuration.flush()
        completed = call.run(
            ["openssl", "req", "-new", "-sha256", "-key", key, "-config", configuration.name], succeed=False
        )
    if completed.rc != 0:
        raise ModuleFailed("openssl could not make a request: %s" % completed.stderr.strip()[-500:])
    start = completed.stdout.index("-----BEGIN")
    pem = completed.stdout[start:]
    result: dict[str, Any] = {"changed": False, "csr": pem, "public_key_sha256": public_key_hash(call, key)}
    if call["path"] and file_hash(call["path"]) is None:
        result["changed"] = True
        if not call.check:
            atomic.write(call["path"], pem.encode(), Wanted(call.arguments))
    return result
