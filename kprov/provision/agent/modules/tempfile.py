"""tempfile: an empty file or folder with a name of its own.

Parameters:
    state: what is made.
    path: the folder that it is made in; none: the machine's for temporary files.
    prefix: what its name begins with.
    suffix: what its name ends with.

Returns:
    path: its path.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "state": Parameter("str", default="file", choices=("directory", "file")),
    "path": Parameter("path"),
    "prefix": Parameter("str", default="ansible."),
    "suffix": Parameter("str", default=""),
}


def run(call: Call) -> dict[str, Any]:
    """Make it."""
    folder = call["path"] or tempfile.gettempdir()
    if call.check:
        return {"changed": True, "diff": diffs.values([("state", "absent", call["state"])], folder)}
    try:
        if call["state"] == "directory":
            path = tempfile.mkdtemp(prefix=call["prefix"], suffix=call["suffix"], dir=folder)
        else:
            descriptor, path = tempfile.mkstemp(prefix=call["prefix"], suffix=call["suffix"], dir=folder)
            os.close(descriptor)
    except OSError as error:
        raise atomic.explained(error, os.path.join(folder, call["prefix"])) from None
    return {"changed": True, "path": path, "diff": diffs.values([("state", "absent", call["state"])], folder)}
