"""apt_key: a key that apt trusts is there, or is not.

A key gets a file of its own in /etc/apt/trusted.gpg.d, which apt reads by itself. It is then trusted for every source:
deb822_repository with signed_by is the better way.

Parameters:
    id: the key, by its fingerprint or the end of it.
    data: the key itself, as text.
    file: a file of the machine with the key.
    url: where the key is fetched from.
    keyserver: a key server that is asked for `id`.
    keyring: the file that the key is kept in.
    state: whether it must be there.
    validate_certs: whether the server's certificate must be good.

Returns:
    id: the key.
    fp: its fingerprint.
    key_id: the end of its fingerprint.
"""

from __future__ import annotations

import os
import urllib.parse
from typing import Any

from kprov.provision.agent import apt_sources, diffs, openpgp
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "id": Parameter("str"),
    "data": Parameter("str"),
    "file": Parameter("path"),
    "url": Parameter("str"),
    "keyserver": Parameter("str"),
    "keyring": Parameter("path"),
    "state": Parameter("str", default="present", choices=("absent", "present")),
    "validate_certs": Parameter("bool", default=True),
}
MUTUALLY_EXCLUSIVE = [("data", "file", "keyserver", "url")]
REQUIRED_IF = [("state", "absent", ("id",))]
REQUIRES_ONE_OF = [("data", "file", "id", "keyserver", "url")]

FOLDER = "/etc/apt/trusted.gpg.d"


def _wanted_id(call: Call) -> str:
    text = (call["id"] or "").replace(" ", "").upper()
    text = text[2:] if text.startswith("0X") else text
    if text and (set(text) - set("0123456789ABCDEF") or len(text) < 8):
        raise ModuleFailed("'id' must be at least eight hexadecimal digits, not %s" % call["id"])
    return text


def _files(call: Call) -> list[str]:
    """Every file with keys that apt trusts."""
    if call["keyring"] is not None:
        return [call["keyring"]]
    folder = call.system_path(FOLDER)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = [os.path.join(folder, name) for name in names if name.endswith((".asc", ".gpg"))]
    return [*found, call.system_path("/etc/apt/trusted.gpg")]


def _known(path: str) -> list[str]:
    """The fingerprints in a file; those of a file that cannot be read are none."""
    data = apt_sources.read(path)
    try:
        return openpgp.fingerprints(data) if data else []
    except ValueError:
        return []


def _key(call: Call, wanted: str) -> bytes:
    """The key, from wherever it comes."""
    if call["data"] is not None:
        return apt_sources.checked_key(call["data"].encode(), "in 'data'")
    if call["file"] is not None:
        data = apt_sources.read(call["file"])
        if data is None:
            raise ModuleFailed("%s does not exist on this machine" % call["file"])
        return apt_sources.checked_key(data, call["file"])
    if call["url"] is not None:
        return apt_sources.fetched_key(call, call["url"])
    if call["keyserver"] is None:
        raise ModuleFailed("the key %s is not there: say where it comes from (url, data, file, keyserver)" % wanted)
    server = call["keyserver"]
    for prefix, replacement in (("hkps://", "https://"), ("hkp://", "http://")):
        server = server.replace(prefix, replacement)
    server = server if "://" in server else "http://" + server
    if server.startswith("http://") and ":" not in server[7:]:
        server += ":11371"
    query = urllib.parse.urlencode({"op": "get", "options": "mr", "search": "0x" + wanted})
    return apt_sources.fetched_key(call, "%s/pks/lookup?%s" % (server.rstrip("/"), query))


def run(call: Call) -> dict[str, Any]:
    """Compare with the keys that are there."""
    wanted = _wanted_id(call)
    holders = [path for path in _files(call) if wanted and any(each.endswith(wanted) for each in _known(path))]
    result: dict[str, Any] = {"changed": False, "id": wanted}
    if call["state"] == "absent":
        for path in holders:
            if not all(each.endswith(wanted) for each in _known(path)[:1]):
                raise ModuleFailed("%s holds other keys beside %s: remove it by hand" % (path, wanted))
            if not call.check:
                os.unlink(path)
        result["changed"] = bool(holders)
        result["diff"] = diffs.values([("key " + wanted, path, None) for path in holders], "apt keys")
        return result
    if holders:
        return {**result, "key_id": wanted[-16:], "fp": _known(holders[0])[0], "diff": ""}
    data = _key(call, wanted)
    prints = openpgp.fingerprints(data)
    if wanted and not any(each.endswith(wanted) for each in prints):
        raise ModuleFailed("the key is %s, not %s" % (prints[0], wanted))
    suffix = "asc" if openpgp.is_armoured(data) else "gpg"
    path = call["keyring"] or call.system_path("%s/kprov-%s.%s" % (FOLDER, prints[0], suffix))
    changed = apt_sources.put(call, path, data)
    result.update(changed=changed, id=wanted or prints[0][-16:], key_id=prints[0][-16:], fp=prints[0])
    result["diff"] = diffs.values([("key " + prints[0], None, path)], "apt keys") if changed else ""
    return result
