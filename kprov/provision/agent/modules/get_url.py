"""get_url: a file is fetched by the machine, whole or not at all.

Parameters:
    url: where from.
    dest: the file; a folder: the name that the URL or the server gives, in it.
    checksum: ALGORITHM:VALUE that the file must have, or ALGORITHM:URL of a list of checksums.
    force: fetch it although it is there, and replace it if it differs.
    backup: keep the file as it was beside it.
    headers: further headers.
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

Returns:
    dest: the file.
    url: where it came from.
    checksum_src: the SHA-1 of what came.
    checksum_dest: the SHA-1 of what was there.
    status_code: the server's.
    elapsed: seconds.
    msg: what was done.
    backup_file: the path of the backup, where one was made.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
import urllib.parse
from typing import Any, BinaryIO

from kprov.provision.agent import atomic, backups, diffs
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_digests
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter
from kprov.provision.agent.web import WEB_PARAMETERS, open_url

PARAMETERS = {
    "url": Parameter("str", required=True),
    "dest": Parameter("path", required=True),
    "checksum": Parameter("str", default=""),
    "force": Parameter("bool", default=False, aliases=("thirsty",)),
    "backup": Parameter("bool", default=False),
    **WEB_PARAMETERS,
    **ATTRIBUTE_PARAMETERS,
}


# What is held in memory of a file that may be what is there already; more goes to the folder for temporary files.
SPOOL = 16 * 1024 * 1024


class Unchanged(Exception):
    """What came is what is there: nothing has to take its place."""


def _open(call: Call, url: str) -> Any:
    try:
        answer = open_url(call, url)
    except OSError as error:
        raise ModuleFailed("%s: %s" % (url, error), status_code=-1) from None
    status = getattr(answer, "status", None) or 200
    if status != 200:
        answer.close()
        raise ModuleFailed("%s: the server says %d %s" % (url, status, answer.reason), status_code=status)
    return answer


def _wanted_checksum(call: Call) -> tuple[str, str] | None:
    """The algorithm and the digest that the file must have."""
    if not call["checksum"]:
        return None
    algorithm, separator, value = call["checksum"].partition(":")
    algorithm, value = algorithm.strip().lower(), value.strip()
    if not separator or algorithm not in hashlib.algorithms_available:
        raise ModuleFailed("'checksum' must be ALGORITHM:VALUE, such as sha256:1234, not %s" % call["checksum"])
    if re.match(r"^(https?|ftp|file)://", value):
        with _open(call, value) as answer:
            lines = answer.read(1 << 20).decode(errors="replace").splitlines()
        name = os.path.basename(urllib.parse.urlsplit(call["url"]).path)
        found = [words[0] for words in map(str.split, lines) if len(words) > 1 and _base(words[-1]) == name]
        alone = [words[0] for words in map(str.split, lines) if len(words) == 1]
        if not found and len(alone) != 1:
            raise ModuleFailed("%s has no checksum for '%s'" % (value, name))
        value = (found or alone)[0]
    if not re.match(r"^[0-9a-fA-F]+$", value):
        raise ModuleFailed("'checksum' must end with hexadecimal digits, not %s" % value)
    return algorithm, value.lower()


def _base(name: str) -> str:
    return os.path.basename(name.lstrip("*"))


def _destination(call: Call, answer: Any) -> str:
    if not os.path.isdir(call["dest"]):
        return str(call["dest"])
    match = re.search(r'filename="?([^";]+)"?', answer.headers.get("Content-Disposition", "") if answer else "")
    name = os.path.basename(match.group(1)) if match else os.path.basename(urllib.parse.urlsplit(call["url"]).path)
    return os.path.join(call["dest"], name or "index.html")


def _only_attributes(call: Call, path: str, wanted: Wanted, words: str) -> dict[str, Any]:
    changes = wanted.changes(path)
    if changes and not call.check:
        wanted.apply(path)
    return {
        "changed": bool(changes),
        "dest": path,
        "url": call["url"],
        "msg": words + (" but file attributes changed" if changes else ""),
        "diff": diffs.values(changes, path) if call.diff else "",
    }


def run(call: Call) -> dict[str, Any]:
    """Compare with what is there, then fetch."""
    wanted, checksum = Wanted(call.arguments, call.check), _wanted_checksum(call)
    path = _destination(call, None)
    there = os.path.isfile(path)
    if there and not os.path.isdir(call["dest"]):
        good = checksum is not None and file_digests(path, checksum[0])[0] == checksum[1]
        if good or (checksum is None and not call["force"]):
            return _only_attributes(call, path, wanted, "file already exists")
    started = time.monotonic()
    with _open(call, call["url"]) as answer:
        path = _destination(call, answer)
        there = os.path.isfile(path)
        before = file_digests(path, "sha1")[0] if there else None
        result: dict[str, Any] = {"url": call["url"], "dest": path, "checksum_dest": before, "status_code": 200}
        if call.check and not there:
            answer.close()
            return {**result, "changed": True, "msg": "OK", "diff": _diff(call, path)}
        sha1 = hashlib.sha1(usedforsecurity=False)
        digest = hashlib.new(checksum[0]) if checksum else None

        def fill(stream: BinaryIO) -> None:
            size = 0
            while True:
                chunk = answer.read(1 << 20)
                if not chunk:
                    break
                size += len(chunk)
                sha1.update(chunk)
                if digest is not None:
                    digest.update(chunk)
                stream.write(chunk)
            announced = answer.headers.get("Content-Length")
            if announced is not None and int(announced) != size:
                raise ModuleFailed("%s broke off after %d of %s bytes" % (call["url"], size, announced))
            if checksum is not None and digest is not None and digest.hexdigest() != checksum[1]:
                words = "the checksum of %s is %s, not %s: it was damaged or replaced"
                raise ModuleFailed(words % (call["url"], digest.hexdigest(), checksum[1]))
            if sha1.hexdigest() == before:
                raise Unchanged

        try:
            if not there:
                atomic.replace(path, fill, wanted)
            else:  # only what is different comes near the file: it is kept elsewhere until that is known
                with tempfile.SpooledTemporaryFile(SPOOL, prefix="kprov-") as spool:
                    fill(spool)  # type: ignore[arg-type]
                    spool.seek(0)
                    if not call.check:
                        if call["backup"]:
                            result["backup_file"] = backups.keep(path)
                        atomic.replace(path, lambda stream: shutil.copyfileobj(spool, stream, 1 << 20), wanted)
            result.update(changed=True, msg="OK (%s bytes)" % answer.headers.get("Content-Length", "unknown"))
            result["diff"] = _diff(call, path)
        except Unchanged:
            result.update(_only_attributes(call, path, wanted, "file is as it was"))
    result.update(checksum_src=sha1.hexdigest(), elapsed=int(time.monotonic() - started))
    return result


def _diff(call: Call, path: str) -> str:
    return diffs.values([("content", None, "from " + call["url"])], path) if call.diff else ""
