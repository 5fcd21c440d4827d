"""slurp: a file's content.

Parameters:
    src: the file.

Returns:
    content: in base64.
    encoding: base64.
    source: the file's path.
"""

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
    path, part = call["src"], call.get("_most")  # fetch asks for one part after the other
    try:
        if os.path.isdir(path):
            raise ModuleFailed("%s is a folder and cannot be slurped" % path)
        # What is longer than it says (files of /proc say 0) is noticed, too.
        with open(path, "rb") as stream:
            if part:
                stream.seek(call.get("_offset", 0))
            data = stream.read(part or LARGEST + 1)
    except FileNotFoundError:
        raise ModuleFailed("%s does not exist" % path) from None
    except OSError as error:
        raise ModuleFailed("%s cannot be read: %s" % (path, error.strerror)) from None
    if len(data) > LARGEST:
        raise ModuleFailed(
            "%s is larger than %d MB; the action 'fetch' is for files of any size" % (path, LARGEST >> 20)
        )
    return {
        "changed": False,
        "source": path,
        "encoding": "base64",
        "content": base64.b64encode(data).decode(),
    }
