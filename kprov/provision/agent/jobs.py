"""Jobs: tasks that nobody waits for (`async` with `poll: 0`). They live on when the connection ends.

A job is a file in a folder of its user's, as ansible-core keeps it: that it was started, then its result. Beside that
it says which process it is, so that one that was killed is not taken for one that is still at work.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any, Callable

from kprov.provision.agent import atomic, deferred, processes
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.limits import Limits, TimeUp
from kprov.provision.agent.outcomes import of_failure

FOLDER = "~/.ansible_async"

# The number of a job that was only compared: nothing was started.
COMPARED = "compared"


def path_of(folder: str, job: str) -> str:
    """Where a job's state lies.

    Raises:
        ModuleFailed: that is no job's number.
    """
    if not job or "/" in job or job.startswith("."):
        raise ModuleFailed("'%s' is no job's number: it is ansible_job_id of what `async` with `poll: 0` gave" % job)
    return os.path.join(os.path.expanduser(folder), job)


def started_at(pid: int) -> str:
    """When a process was started, in the kernel's ticks; "" for one that is not there."""
    try:
        with open("/proc/%d/stat" % pid) as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _write(path: str, state: dict[str, Any]) -> None:
    """The job's state, whole or not at all."""
    atomic.write(path, json.dumps(state).encode(), Wanted({"mode": "0600"}))


def start(run: Callable[[], dict[str, Any]], seconds: float, folder: str, module: str) -> dict[str, Any]:
    """Begin a job.

    Args:
        run: does the work; what it returns is the job's result.
        seconds: until it is ended.
        folder: where its state is kept.
        module: its name, for messages.

    Returns:
        What ansible-core gives for a task of `poll: 0`.

    Raises:
        ModuleFailed: it cannot be begun.
    """
    folder = os.path.expanduser(folder)
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
    except OSError as error:
        raise ModuleFailed("could not create directory: %s - %s" % (folder, error.strerror)) from None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _work(run, seconds, folder, module, writing)
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading) as stream:
        told = stream.read()
    if not told.startswith("j"):
        raise ModuleFailed("the job could not be begun: %s" % (told or "it ended at once"))
    return {
        "changed": True,
        "started": True,
        "finished": False,
        "ansible_job_id": told,
        "results_file": os.path.join(folder, told),
    }


def _work(run: Callable[[], dict[str, Any]], seconds: float, folder: str, module: str, tell: int) -> None:
    """The job's own process: nothing of the connection is left in it."""
    pid = os.getpid()
    job = "j%d.%d" % (random.SystemRandom().randrange(10**12), pid)
    path = os.path.join(folder, job)
    about = {"ansible_job_id": job, "_kprov_process": [pid, started_at(pid)]}
    _leave_connection(tell)
    try:
        _write(path, {"started": True, "finished": False, **about})
        os.write(tell, job.encode())
    except ModuleFailed as failure:
        os.write(tell, failure.message.encode())
        return
    finally:
        os.close(tell)
    limits = Limits()
    limits.take({"task": seconds})
    try:
        with limits:
            result = run()
            deferred.settle()
        atomic.sync()  # before it can be read that they are there
    except TimeUp:
        result = {"failed": True, "msg": "Timeout exceeded", "child_pid": pid}
    except Exception as error:
        result = of_failure(error, module)
    try:
        _write(path, result)
    except (TypeError, ValueError) as error:
        _write(path, of_failure(error, module))


def _leave_connection(kept: int) -> None:
    """Close what the agent has open: the machine's lock, the connection, files; and forget what it runs."""
    processes.forget_all()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor != kept:
            try:
                os.close(descriptor)
            except OSError:
                pass
