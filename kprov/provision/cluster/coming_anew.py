"""Daemons that are sick with a release that was replaced begin anew, before anybody waits for them to be well.

Where nothing else about a daemon changed, it is restarted at the end of a run. One whose release is broken, and which
runs all the same, is in the way of that end.
"""

from __future__ import annotations

from kprov.provision.cluster.canary import api_servers_answer, kubelets_answer, sick_api_servers, sick_kubelets
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.restarts import stale_units
from kprov.provision.inventory import Host


def api_servers_come(context: Context, hosts: list[Host]) -> None:
    """Each API server is ready to serve; one that is not, and runs what was replaced, is restarted first.

    Raises:
        ClusterError: one is not.
    """
    _restart(context, hosts, "kube-apiserver", sick_api_servers(context, hosts))
    api_servers_answer(context, hosts)


def kubelets_come(context: Context, hosts: list[Host]) -> None:
    """Each kubelet is healthy; one that is not, and runs what was replaced, is restarted first.

    Raises:
        ClusterError: one is not.
    """
    _restart(context, hosts, "kubelet", sick_kubelets(context, hosts))
    kubelets_answer(context, hosts)


def _restart(context: Context, hosts: list[Host], unit: str, sick: dict[str, str]) -> None:
    if not sick:
        return
    stale = stale_units(context, [host for host in hosts if host.name in sick])
    title = f"Restart {unit}: it is not well with what it runs, which has been replaced"
    anew = ("systemd", {"name": unit, "state": "restarted", "_title": title})
    # That one does not come back is told by who waits for it to be well, with what it says of itself.
    context.engine.module_all({name: anew for name, units in stale.items() if unit in units})
