"""Whether machines are well after a phase has changed them: asked before the next batch of them is touched."""

from __future__ import annotations

from collections.abc import Callable

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.etcd import DATA
from kprov.provision.cluster.etcd_members import Door, etcdctl
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine.waiting import Wait
from kprov.provision.inventory import Host
from kprov.provision.kubeapi.client import ClusterApiError

Look = Callable[[], dict[str, str]]
"""By machine: what is not well there yet."""


def _wait(context: Context, what: str, hosts: list[Host], look: Look) -> None:
    wait = Wait(
        f"{what} on {', '.join(host.name for host in hosts)}",
        "ready",
        context.engine.timeouts,
        context.engine.waiting,
        ClusterError,
    )
    while problems := look():
        wait.longer("; ".join(f"{name}: {problem}" for name, problem in problems.items()))


def etcd_answers(context: Context, hosts: list[Host]) -> None:
    """Each member that has been one before is healthy, which takes a quorum.

    Raises:
        ClusterError: one is not.
    """
    engine = context.engine
    found = engine.module_all({host.name: ("stat", {"path": DATA, "_quiet": True}) for host in hosts})
    members = [host for host in hosts if not found[host.name].failed and found[host.name]["stat"]["exists"]]
    is_active = ("command", {"argv": ["systemctl", "is-active", "etcd"], "_check": False, "_quiet": True})
    running = engine.module_all({host.name: is_active for host in members})
    # One that does not run is started by the phase that forms the cluster.
    members = [host for host in members if not running[host.name].failed]

    def look() -> dict[str, str]:
        answers = {host.name: etcdctl(engine, Door(host), "endpoint", "health") for host in members}
        return {name: output.strip()[-300:] for name, (fine, output) in answers.items() if not fine}

    if members:
        _wait(context, "etcd to be healthy", members, look)


def sick_api_servers(context: Context, hosts: list[Host]) -> dict[str, str]:
    """By machine: why its API server is not ready to serve, where it is not."""
    problems = {}
    for host in hosts:
        api = context.api_of(host)
        try:
            api.request("GET", "/readyz")
        except ClusterApiError as error:
            problems[host.name] = str(error)
        finally:
            api.close()
    return problems


def api_servers_answer(context: Context, hosts: list[Host]) -> None:
    """Each API server is ready to serve.

    Raises:
        ClusterError: one is not.
    """
    _wait(context, "the API server to be ready", hosts, lambda: sick_api_servers(context, hosts))


_KUBELETS_HEALTH = ("uri", {"url": "http://127.0.0.1:10248/healthz", "return_content": False, "_quiet": True})


def sick_kubelets(context: Context, hosts: list[Host]) -> dict[str, str]:
    """By machine: why its kubelet is not healthy, where it is not."""
    engine = context.engine
    answers = engine.module_all({host.name: _KUBELETS_HEALTH for host in engine.alive(hosts)})
    return {name: answer.message for name, answer in answers.items() if answer.failed}


def kubelets_answer(context: Context, hosts: list[Host]) -> None:
    """Each kubelet says that it is healthy.

    Raises:
        ClusterError: one is not.
    """
    _wait(context, "the kubelet to be healthy", hosts, lambda: sick_kubelets(context, hosts))
