"""kube-controller-manager: serves its health, waits for the lease, and runs the controllers while it holds it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import uuid

from kprov import __version__
from kprov.kube.api.client import ApiClient
from kprov.kube.api.daemon import DaemonError, ready, run_daemon
from kprov.kube.api.flags import Flags
from kprov.kube.api.informer_factory import InformerFactory
from kprov.kube.api.kinds import SERVICE_ACCOUNTS
from kprov.kube.api.kubeconfig import KubeconfigError
from kprov.kube.api.leases import LeaderElector, LeadershipLost
from kprov.kube.api.serving import HealthServer
from kprov.kube.api.serving_flags import health_server
from kprov.kube.controllers.command_line import flag_set, options_of
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.credentials import AccountClients
from kprov.kube.controllers.memory import keep_giving_back
from kprov.kube.controllers.options import Options
from kprov.kube.controllers.registry import Row, chosen

NAME = "kube-controller-manager"
log = logging.getLogger(__name__)


def _client(path: str, what: str) -> ApiClient:
    try:
        return ApiClient.from_kubeconfig(path or None, user_agent=f"{NAME}/v1.32.0+kprov.{__version__}")
    except KubeconfigError as error:
        raise DaemonError(f"{what}: {error}") from error


def _health_server(flags: Flags, elector: LeaderElector | None) -> tuple[HealthServer, list[ApiClient]]:
    clients: dict[str, ApiClient] = {}

    def reviewer(path: str, flag: str) -> ApiClient | None:
        if path and path not in clients:
            clients[path] = _client(path, flag)
        return clients.get(path)

    server = health_server(
        flags,
        reviewer(flags.authentication_kubeconfig, "--authentication-kubeconfig"),
        reviewer(flags.authorization_kubeconfig, "--authorization-kubeconfig"),
        live={"leaderElection": lambda: True if elector is None else elector.identity != ""},
    )
    return server, list(clients.values())


async def run(flags: Flags) -> None:
    """Run until cancelled. Raises DaemonError where the configuration cannot be used, or the lease is lost."""
    if flags.port != 0:
        raise DaemonError("--port: the insecure port is gone; only 0 is taken, --secure-port serves HTTPS")
    options = options_of(flags)
    try:
        rows = chosen(flags.controllers, options)
    except ValueError as error:
        raise DaemonError(str(error)) from error
    if not flags.enable_garbage_collector:
        rows = [row for row in rows if row.name != "garbagecollector"]
    client = _client(flags.kubeconfig, "--kubeconfig")
    if flags.master:
        client.credentials.server = flags.master.rstrip("/")
    elector = _elector(flags, client) if flags.leader_elect else None
    server, reviewers = _health_server(flags, elector)
    try:
        async with server.serving():
            ready()

            async def lead() -> None:
                await control(client, rows, options, own_accounts=flags.use_service_account_credentials)

            if elector is None:
                await lead()
            else:
                await elector.run(lead)
    except LeadershipLost as error:
        raise DaemonError(f"{error}; systemd starts this daemon anew, as a candidate") from error
    except OSError as error:
        raise DaemonError(f"cannot serve on {flags.bind_address}:{flags.secure_port}: {error}") from error
    finally:
        for each in (client, *reviewers):
            await each.close()


def _elector(flags: Flags, client: ApiClient) -> LeaderElector:
    try:
        return LeaderElector(
            client,
            flags.leader_elect_resource_namespace,
            flags.leader_elect_resource_name,
            f"{socket.gethostname()}_{uuid.uuid4()}",
            flags.leader_elect_lease_duration,
            flags.leader_elect_renew_deadline,
            flags.leader_elect_retry_period,
        )
    except ValueError as error:
        raise DaemonError(f"--leader-elect-*: {error}") from error


async def control(client: ApiClient, rows: list[Row], options: Options, *, own_accounts: bool) -> None:
    """Run the controllers of these rows until cancelled."""
    accounts = AccountClients(client) if own_accounts else None
    informers = InformerFactory(client)
    context = Context(client, informers, options, accounts.client_for if accounts else lambda _: client)
    controllers = [_build(row, context) for row in rows]
    account_informer = context.informer(SERVICE_ACCOUNTS)
    try:
        await informers.start()
        if accounts is not None:
            # The token controller and the accounts' own tokens need nobody else.
            await accounts.prepare()
        log.info("starting %s", ", ".join(controller.name for controller in controllers))
        async with asyncio.TaskGroup() as group:
            if accounts is not None:
                group.create_task(accounts.keep_fresh(account_informer), name="account tokens")
            group.create_task(keep_giving_back(), name="memory")
            for controller in controllers:
                group.create_task(controller.run(), name=controller.name)
    finally:
        await informers.stop()
        with contextlib.suppress(Exception):
            await asyncio.gather(*(controller.recorder.close() for controller in controllers))
        if accounts is not None:
            await accounts.close()


def _build(row: Row, context: Context) -> Controller:
    kind = row.load()
    workers = context.options.concurrent.get(row.name)
    try:
        controller = kind(context)
    except (OSError, ValueError) as error:
        raise DaemonError(f"{row.name} cannot start: {error}") from error
    if workers and kind.workers > 1:
        controller.worker_count = workers
    return controller


def main() -> None:
    """The program."""
    sys.exit(run_daemon(NAME, run, flag_set()))


if __name__ == "__main__":
    main()
