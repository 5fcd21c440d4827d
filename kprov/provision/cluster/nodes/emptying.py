"""Machines are emptied one after the other, and every pod's way is told."""

from __future__ import annotations

from dataclasses import dataclass

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.nodes.cordon import cordon
from kprov.provision.cluster.nodes.drain import DrainOptions, drain, refuse_losses
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.inventory import Host
from kprov.provision.kubeapi.pods import Fate, Judged


@dataclass(frozen=True, slots=True)
class Emptying:
    """Cordons and drains machines."""

    options: DrainOptions

    def run(self, context: Context, hosts: list[Host]) -> None:
        """Empty them. All are looked at before the first pod is touched.

        Raises:
            DrainRefused: pods would be lost; nothing was changed.
            DrainExpired: one is not empty in time; those after it were left as they were, but cordoned.
            ClusterError: one is no node.
            ClusterApiError: the API does not answer.
        """
        looked = {host.name: refuse_losses(context.api, host.name, self.options.guards) for host in hosts}
        cordon(context, hosts)
        for host in hosts:
            if context.engine.check:
                self._foretell(context, host, looked[host.name])
            else:
                self.drain(context, host)

    def drain(self, context: Context, host: Host) -> None:
        """Empty one that is cordoned. Raises as `run`."""
        with context.engine.phase(f"Drain {host.name}", [host]) as phase:

            def told(pod: Judged, what: str) -> None:
                phase.record(host, f"Pod {pod.name}", changed=pod.fate is Fate.GOES, message=what)

            try:
                drain(
                    context.api,
                    host.name,
                    self.options,
                    context.engine.timeouts,
                    told=told,
                    waiting=context.engine.waiting,
                )
            except ClusterError as error:
                phase.record(host, "Empty", failed=True, message=str(error).partition("\n")[0])
                raise

    def _foretell(self, context: Context, host: Host, pods: list[Judged]) -> None:
        with context.engine.phase(f"Drain {host.name}", [host]) as phase:
            for pod in pods:
                message = f"stays: {pod.why}" if pod.fate is Fate.STAYS else ""
                phase.record(host, f"Pod {pod.name}", changed=pod.fate is Fate.GOES, message=message)
