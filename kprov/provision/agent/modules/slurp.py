"""slurp: a file's content, in base64 as Ansible returns it, and as `text` where it is one. Parameter: src."""

from __future__ import annotations

import base64
import os
from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {"src": Parameter("path", required=True, aliases=("path",))}

LARGEST = 16 * 1024 * 1024


def run(call: Call) -> dict[str, Any]:
    """Read it."""
    path = call["src"]
    try:
        if os.path.getsize(path) > LARGEST:
            raise ModuleFailed("%s is larger than %d MB" % (path, LARGEST >> 20))
        with open(path, "rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        raise ModuleFailed("%s does not exist" % path) from None
    result: dict[str, Any] = {
        "changed": False,
        "source": path,
        "encoding": "base64",
        "content": base64.b64encode(data).decode(),
    }
    try:
        result["text"] = data.decode()
    except UnicodeDecodeError:
        pass
    return result
