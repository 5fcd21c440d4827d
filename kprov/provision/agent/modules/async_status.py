"""async_status: how it stands with a task that nobody waits for (`async` with `poll: 0`).

Parameters:
    jid: which: ansible_job_id of what such a task gave.
    mode: status, or cleanup: what is kept of it is removed.

Returns:
    ansible_job_id: which.
    started: whether it was begun.
    finished: whether it has ended; then its own result is given, too.
    results_file: where its state lies.
    erased: what was removed.
"""

from __future__ import annotations

import json
import os
from typing import Any

from kprov.provision.agent import jobs, modules
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "jid": Parameter("str", required=True),
    "mode": Parameter("str", default="status", choices=("cleanup", "status")),
}


def begin(name: str, task: Call, job: dict[str, Any]) -> dict[str, Any]:
    """Begin a task that nobody waits for.

    Args:
        name: its module.
        task: its call.
        job: the seconds that it has, and the folder for what becomes of it (None: as usual).
    """
    if task.check:
        about = {"started": True, "finished": True, "ansible_job_id": jobs.COMPARED}
        return {**modules.execute(name, task), **about}
    return jobs.start(lambda: modules.execute(name, task), job["seconds"], job["folder"] or jobs.FOLDER, name)


def run(call: Call) -> dict[str, Any]:
    """Look, or clean up."""
    job = call["jid"]
    nothing: dict[str, Any] = {"stdout": "", "stderr": "", "stdout_lines": [], "stderr_lines": []}
    about = {"changed": False, "ansible_job_id": job, **nothing}
    if job == jobs.COMPARED:
        return {**about, "started": True, "finished": True, "msg": "nothing was started: it was only compared"}
    path = jobs.path_of(call.get("_async_dir") or jobs.FOLDER, job)
    if not os.path.exists(path):
        raise ModuleFailed("could not find job", ansible_job_id=job, started=True, finished=True)
    if call["mode"] == "cleanup":
        if not call.check:
            os.unlink(path)
        return {**about, "started": False, "finished": False, "erased": path}
    about.update(started=True, finished=False, results_file=path)
    state = _state(path)
    if state is None:
        return about
    process = state.pop("_kprov_process", None)
    if "started" not in state:
        return {**about, **state, "finished": True, "ansible_job_id": job}
    if process is not None and jobs.started_at(int(process[0])) != process[1]:
        state = _state(path) or state  # it may have ended just now
        if "started" not in state:
            return {**about, **state, "finished": True, "ansible_job_id": job}
        raise ModuleFailed("the job was killed before its end", ansible_job_id=job, started=True, finished=True)
    return {**about, **state, "finished": bool(state.get("finished"))}


def _state(path: str) -> dict[str, Any] | None:
    """What the job says of itself; None where it is just saying it."""
    with open(path) as stream:
        text = stream.read()
    try:
        found = json.loads(text)
    except ValueError:
        if not text:
            return None
        raise ModuleFailed("Could not parse job output: %s" % text[:2000], started=True, finished=True) from None
    return found if isinstance(found, dict) else None
