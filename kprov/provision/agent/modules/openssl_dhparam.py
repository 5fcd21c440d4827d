"""openssl_dhparam: parameters of Diffie-Hellman, made on the machine by its openssl, which takes its time.

Parameters:
    path: the file.
    size: bits of the prime.
    state: whether it is there.
    force: make new ones.
    backup: keep the file as it was beside it.
    return_content: tell what is in the file.
    select_crypto_backend: what makes them; only openssl.
    mode: the file's permissions.
    owner: the file's owner.
    group: the file's group.

Returns:
    filename: the file.
    size: bits of the prime.
    backup_file: the path of the backup, where one was made.
    dhparams: what is in the file, where that was asked for.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.provision.agent import atomic, backups, diffs
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "path": Parameter("path", required=True),
    "size": Parameter("int", default=4096),
    "state": Parameter("str", default="present", choices=("absent", "present")),
    "force": Parameter("bool", default=False),
    "backup": Parameter("bool", default=False),
    "return_content": Parameter("bool", default=False),
    "select_crypto_backend": Parameter("str", default="auto", choices=("auto", "openssl")),
    **ATTRIBUTE_PARAMETERS,
}


def _size_of(call: Call, path: str) -> int | None:
    """The bits of the parameters in a file, None where there are none that are sound."""
    asked = call.run(["openssl", "dhparam", "-check", "-text", "-noout", "-in", path], succeed=False)
    found = re.search(r"\((\d+) bit\)", asked.stdout)
    return int(found[1]) if asked.rc == 0 and found is not None else None


def run(call: Call) -> dict[str, Any]:
    """Look, make what is missing."""
    path = os.path.realpath(call["path"])
    result: dict[str, Any] = {"changed": False, "path": path, "filename": path, "size": call["size"], "diff": ""}
    there = os.path.isfile(path)
    if call["state"] == "absent":
        if there:
            result.update(changed=True, diff=diffs.values([("state", "file", "absent")], path) if call.diff else "")
            if not call.check:
                if call["backup"]:
                    result["backup_file"] = backups.keep(path)
                os.unlink(path)
        return result
    wanted = Wanted(call.arguments, call.check)
    size = _size_of(call, path) if there else None
    changes: list[tuple[str, object, object]] = []
    if size != call["size"] or call["force"]:
        changes.append(("parameters", size and "%d bit" % size, "%d bit, new" % call["size"]))
    kept = list(wanted.changes(path)) if there else []
    if (changes or kept) and not call.check:
        if changes:
            if call["backup"] and there:
                result["backup_file"] = backups.keep(path)
            atomic.write(path, _made(call), wanted)
        else:
            wanted.apply(path)
    result["changed"] = bool(changes or kept)
    result["diff"] = diffs.values(changes + kept, path) if call.diff else ""
    if call["return_content"] and os.path.isfile(path):
        with open(path) as stream:
            result["dhparams"] = stream.read()
    return result


def _made(call: Call) -> bytes:
    made = call.run(["openssl", "dhparam", str(call["size"])], succeed=False)
    if made.rc != 0 or "BEGIN DH PARAMETERS" not in made.stdout:
        raise ModuleFailed("openssl could not make the parameters: %s" % made.stderr.strip()[-500:])
    return made.stdout[made.stdout.index("-----BEGIN") :].encode()
