"""Keys and files of apt's package sources, shared by the modules that write them."""

from __future__ import annotations

import os

from kprov.provision.agent import apt_cache, atomic, openpgp
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.web import WEB_PARAMETERS, open_url

# No key file is larger.
LARGEST_KEY = 4 * 1024 * 1024


def fetched_key(call: Call, url: str) -> bytes:
    """A key from a URL.

    Raises:
        ModuleFailed: it cannot be had, or it is no key.
    """
    web = {name: parameter.default for name, parameter in WEB_PARAMETERS.items() if name not in call.arguments}
    try:
        with open_url(call.with_arguments(**web), url) as answer:
            data = bytes(answer.read(LARGEST_KEY + 1))
            status = answer.status or 200
    except OSError as error:
        raise ModuleFailed("the key %s: %s" % (url, error)) from None
    if status != 200:
        raise ModuleFailed("the key %s: the server says %d" % (url, status))
    return checked_key(data, url)


def checked_key(data: bytes, source: str) -> bytes:
    """The key, if it is one.

    Raises:
        ModuleFailed: it is none.
    """
    try:
        openpgp.fingerprints(data)
    except ValueError as error:
        raise ModuleFailed("the key %s cannot be used: %s" % (source, error)) from None
    return data


def read(path: str) -> bytes | None:
    """A file's content, None where there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def put(call: Call, path: str, data: bytes, mode: str = "0644") -> bool:
    """Have a file with this content. Whether that is a change."""
    wanted = Wanted({"mode": mode}, call.check)
    if read(path) == data:
        changes = wanted.changes(path)
        if changes and not call.check:
            wanted.apply(path)
        return bool(changes)
    if not call.check:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        atomic.write(path, data, wanted)
    return True


def refresh(call: Call, changed: bool, wanted: bool, retries: int = 5, longest_delay: float = 12) -> bool:
    """Fetch apt's lists after a source changed. Whether they were, or would be."""
    if not (changed and wanted):
        return False
    if not call.check:
        apt_cache.update(call, retries, longest_delay)
    return True
