"""script: a file of the controller is run on the machine, and removed from it.

Parameters:
    cmd: the file's path and its arguments (or the task's value itself).
    creates: a path (or a pattern) that makes it unnecessary when it is there.
    removes: a path (or a pattern) that makes it unnecessary when it is not there.
    chdir: where it runs.
    executable: what runs it, instead of what its first line names.

Returns:
    rc: its exit code.
    stdout: what it said.
    stderr: what it said on standard error.
    stdout_lines: the same as a list.
    stderr_lines: the same as a list.
"""

from __future__ import annotations

import datetime
import os
import shlex
import shutil
import tempfile
from typing import Any

from kprov.provision.agent import processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.modules import command
from kprov.provision.agent.parameters import Parameter

FREE_FORM = "cmd"
PARAMETERS = {
    "cmd": Parameter("str", required=True, aliases=("_raw_params",)),
    "creates": Parameter("path"),
    "removes": Parameter("path"),
    "chdir": Parameter("path"),
    "executable": Parameter("str"),
}


def run(call: Call) -> dict[str, Any]:
    """Run it."""
    chdir = call["chdir"]
    if chdir is not None and not os.path.isabs(chdir):
        raise ModuleFailed("chdir %s must be an absolute path" % chdir)
    early = command.unnecessary(call)
    if early is not None:
        return {"changed": early["changed"], "skipped": not early["changed"], "msg": early["msg"]}
    # As whoever runs it: nobody else can read what it says.
    folder = tempfile.mkdtemp(prefix="kprov-script-", dir=_runnable())
    try:
        return _run(call, os.path.join(folder, call.get("_name") or "script"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _runnable() -> str:
    """A folder whose file system lets programs run; hardened machines mount /tmp noexec."""
    usual = tempfile.gettempdir()
    for folder in (usual, os.path.expanduser("~"), "/var/tmp"):  # noqa: S108 - a folder of its own is made in it
        try:
            if os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & os.ST_NOEXEC:
                return folder
        except OSError:
            continue
    return usual


def _run(call: Call, path: str) -> dict[str, Any]:
    with open(path, "wb") as stream:
        call.contents.into(call["_sha256"], call["_size"], stream)
    os.chmod(path, 0o700)
    # What stands behind the file's name reaches the shell as it was written.
    words = [shlex.quote(path), call.get("_rest") or ""]
    if call["executable"]:
        words.insert(0, call["executable"])
    began = datetime.datetime.now()
    completed = processes.run(  # noqa: S604 - its arguments are a shell's words, as with Ansible
        " ".join(word for word in words if word),
        shell="/bin/sh",
        environment=call.environment,
        directory=call["chdir"],
        user=call.become_user,
    )
    result = command.outcome(call.with_arguments(strip_empty_ends=False), completed, call["cmd"], began)
    return {key: value for key, value in result.items() if key not in ("start", "end", "delta", "cmd")}
