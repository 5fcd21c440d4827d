"""kube-scheduler: puts the parts together and runs them."""

from __future__ import annotations

import logging
import socket
import sys
import uuid

from kprov import __version__
from kprov.kube.api.client import ApiClient
from kprov.kube.api.daemon import DaemonError, ready, run_daemon
from kprov.kube.api.events import EventRecorder
from kprov.kube.api.flags import Flags
from kprov.kube.api.informer_factory import InformerFactory
from kprov.kube.api.kinds import POD_DISRUPTION_BUDGETS, REPLICA_SETS, SERVICES, STATEFUL_SETS
from kprov.kube.api.kubeconfig import KubeconfigError
from kprov.kube.api.leases import LeaderElector, LeadershipLost
from kprov.kube.api.serving_flags import health_server
from kprov.kube.scheduler import configuration, defaults_selector, instruments
from kprov.kube.scheduler.binder import Binder
from kprov.kube.scheduler.cluster import Cluster
from kprov.kube.scheduler.configuration import Configuration
from kprov.kube.scheduler.options import scheduler_flags
from kprov.kube.scheduler.profiles import framework_of
from kprov.kube.scheduler.queue import SchedulingQueue
from kprov.kube.scheduler.scheduler import Scheduler
from kprov.kube.scheduler.watching import Watching

log = logging.getLogger(__name__)

USER_AGENT = f"kube-scheduler/v1.32.0+kprov.{__version__}"


def build(client: ApiClient, settings: Configuration, retry_after: float = 300.0) -> tuple[InformerFactory, Scheduler]:
    """The scheduler and the informers that it lives on.

    Args:
        client: the API server.
        settings: what the scheduler was told.
        retry_after: seconds after which a hopeless pod is tried again without any event.
    """
    factory = InformerFactory(client)
    cluster = Cluster()
    queue = SchedulingQueue(settings.initial_backoff, settings.max_backoff, flush_after=retry_after)
    owners = {
        "ReplicaSet": factory.informer(REPLICA_SETS, transform=defaults_selector.slim),
        "StatefulSet": factory.informer(STATEFUL_SETS, transform=defaults_selector.slim),
    }
    services = factory.informer(SERVICES, transform=defaults_selector.slim)
    selectors = defaults_selector.DefaultSelectors(services, owners)
    budgets = factory.informer(POD_DISRUPTION_BUDGETS)
    watching = Watching(factory, cluster, queue, {profile.name for profile in settings.profiles})
    frameworks = {
        profile.name: framework_of(
            profile,
            default_selector=selectors,
            claim=watching.claims.get,
            volume=watching.volumes.get,
            storage_class=watching.classes.get,
        )
        for profile in settings.profiles
    }
    binder = Binder(client, EventRecorder(client, settings.profiles[0].name))
    return factory, Scheduler(cluster, queue, frameworks, binder, budgets.list)


async def _run(flags: Flags) -> None:
    settings = configuration.load(flags)
    try:
        client = ApiClient.from_kubeconfig(settings.kubeconfig, user_agent=USER_AGENT)
        if flags.master:
            client.credentials.server = flags.master.rstrip("/")
        reviewers = [
            ApiClient.from_kubeconfig(path, user_agent=USER_AGENT) if path else None
            for path in (flags.authentication_kubeconfig, flags.authorization_kubeconfig)
        ]
    except KubeconfigError as error:
        raise DaemonError(str(error)) from error
    factory, scheduler = build(client, settings, flags.pod_max_in_unschedulable_pods_duration)
    instruments.watch_queue(scheduler.queue, scheduler.cluster)
    election = settings.leader_election
    elector = LeaderElector(
        client,
        election.namespace,
        election.name,
        f"{socket.gethostname()}_{uuid.uuid4()}",
        election.lease_duration,
        election.renew_deadline,
        election.retry_period,
    )
    server = health_server(
        flags,
        reviewers[0],
        reviewers[1],
        ready={"sched-handler-sync": lambda: factory.synced or "informers are not synced yet"},
    )
    try:
        async with server.serving():
            await factory.start()
            ready("watching")

            async def lead() -> None:
                await factory.wait_synced()
                ready("scheduling")
                await scheduler.run()

            if election.enabled:
                await elector.run(lead)
            else:
                await lead()
    except LeadershipLost as error:
        raise DaemonError(f"leaderelection lost: {error}") from error
    finally:
        await factory.stop()
        await scheduler.close()
        for each in (client, *reviewers):
            if each:
                await each.close()


def main() -> None:
    """The entry point."""
    sys.exit(run_daemon("kube-scheduler", _run, scheduler_flags()))


if __name__ == "__main__":
    main()
