"""deb822_repository: a source of packages, in a file of fields (deb822), is there, or is not.

Parameters:
    name: the source; its file is /etc/apt/sources.list.d/NAME.sources.
    state: whether it must be there.
    types: deb, deb-src.
    uris: where the packages are.
    suites: which releases, or paths that end with `/`.
    components: which parts of them.
    architectures: for which machines.
    signed_by: the key that signs it: a path on the machine, a URL, a fingerprint, or the key itself as text.
    enabled: whether it is in use.
    trusted: whether it is trusted without a key.
    allow_insecure: whether sources without signature are taken.
    allow_weak: whether weak signatures are taken.
    allow_downgrade_to_insecure: whether a source may lose its signature.
    by_hash: whether lists are fetched by their hashes.
    check_date: whether the lists' date must be right.
    check_valid_until: whether the lists may be out of date.
    date_max_future: how many seconds ahead the lists may be.
    inrelease_path: where the release file is.
    languages: of descriptions.
    pdiffs: whether only differences of lists are fetched.
    targets: which lists are fetched.
    mode: the file's permissions.
    install_python_debian: taken so that tasks written for Ansible run; nothing is needed.

Returns:
    dest: the file.
    key_filename: the key's file.
    repo: the file's text.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.provision.agent import apt_sources, diffs, openpgp
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

_WORDS = ("architectures", "components", "languages", "suites", "targets", "types", "uris")
_SWITCHES = (
    "allow_downgrade_to_insecure", "allow_insecure", "allow_weak", "by_hash", "check_date", "check_valid_until",
    "enabled", "pdiffs", "trusted",
)  # fmt: skip

PARAMETERS = {
    "name": Parameter("str", required=True),
    "state": Parameter("str", default="present", choices=("absent", "present")),
    **{name: Parameter("list", elements="str") for name in _WORDS},
    "types": Parameter("list", default=["deb"], choices=("deb", "deb-src"), elements="str"),
    **{name: Parameter("bool") for name in _SWITCHES},
    "date_max_future": Parameter("int"),
    "inrelease_path": Parameter("str"),
    "signed_by": Parameter("str"),
    "mode": Parameter("mode", default="0644"),
    "install_python_debian": Parameter("bool", default=False),
}
REQUIRED_IF = [("state", "present", ("uris", "suites"))]

FOLDER = "/etc/apt/sources.list.d"
KEYS = "/etc/apt/keyrings"


def _field(name: str) -> str:
    if name == "name":
        return "X-Repolib-Name"
    return "URIs" if name == "uris" else "-".join(part.capitalize() for part in name.split("_"))


def slug_of(name: str) -> str:
    """The name of a source's file."""
    return re.sub(r"[^a-z0-9-]+", "", re.sub(r"[_\s]+", "-", name.lower()))


def _signed_by(call: Call, slug: str) -> tuple[str, str | None, bytes | None]:
    """The field's value, and the key's file and content where there is one."""
    value = call["signed_by"].strip()
    if re.match(r"^https?://", value):
        data = apt_sources.fetched_key(call, value)
        suffix = "asc" if openpgp.is_armoured(data) else "gpg"
        path = "%s/%s.%s" % (KEYS, slug, suffix)
        return path, call.system_path(path), data
    if openpgp.is_armoured(value.encode()):
        apt_sources.checked_key(value.encode(), "in 'signed_by'")
        lines = [" " + (line.rstrip() or ".") for line in value.splitlines()]
        return "\n" + "\n".join(lines), None, None
    if value.startswith("/") or re.match(r"^[0-9A-Fa-f]{8,40}!?$", value.replace(" ", "")):
        return value, None, None
    raise ModuleFailed("'signed_by' must be a path, a URL, a fingerprint or a key, not %s" % value[:60])


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    slug = slug_of(call["name"])
    if not slug:
        raise ModuleFailed("'%s' is no name for a file" % call["name"])
    path = os.path.join(call.system_path(FOLDER), slug + ".sources")
    before = apt_sources.read(path)
    if call["state"] == "absent":
        return _absent(call, path, slug, before)
    fields: dict[str, str] = {}
    key_path: str | None = None
    key: bytes | None = None
    for name in sorted([*_WORDS, *_SWITCHES, "date_max_future", "inrelease_path", "name", "signed_by"]):
        value = call[name]
        if value is None:
            continue
        if name == "signed_by":
            fields[_field(name)], key_path, key = _signed_by(call, slug)
        elif isinstance(value, bool):
            fields[_field(name)] = "yes" if value else "no"
        else:
            fields[_field(name)] = " ".join(value) if isinstance(value, list) else str(value)
    text = "".join("%s: %s\n" % each if not each[1].startswith("\n") else "%s:%s\n" % each for each in fields.items())
    diff, changed = "", False
    if key_path is not None and key is not None:
        old = apt_sources.read(key_path)
        changed = apt_sources.put(call, key_path, key)
        diff += diffs.values([("key", None, openpgp.fingerprints(key)[0])], key_path) if old != key else ""
    after = text.encode()
    diff += diffs.unified(before, after, path)
    if apt_sources.put(call, path, after, call["mode"]):
        if before == after:
            diff += diffs.values([("mode", None, call["mode"])], path)
        changed = True
    return {
        "changed": changed, "dest": path, "key_filename": key_path, "repo": text, "diff": diff if call.diff else "",
    }  # fmt: skip


def _absent(call: Call, path: str, slug: str, before: bytes | None) -> dict[str, Any]:
    keys = [call.system_path("%s/%s.%s" % (KEYS, slug, suffix)) for suffix in ("asc", "gpg")]
    gone = [each for each in keys if os.path.exists(each)]
    diff = diffs.unified(before, None, path) if before is not None else ""
    diff += "".join(diffs.values([("state", "file", "absent")], each) for each in gone)
    if before is not None:
        gone.append(path)
    for each in gone:
        if not call.check:
            os.unlink(each)
    return {"changed": bool(gone), "dest": path, "key_filename": None, "repo": None, "diff": diff if call.diff else ""}
