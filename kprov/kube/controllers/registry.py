"""The controllers by upstream's names, and which of them run.

A row says where the class is: the module is imported only if the controller runs.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kprov.kube.controllers.controller import Controller
from kprov.kube.controllers.options import Options


@dataclass(frozen=True, slots=True)
class Row:
    """One controller.

    Args:
        name: the name before 1.28, which upstream still takes.
        long_name: the name since.
        place: ``module:class`` below kprov.kube.controllers.
        workers_flag: the flag that sets its number of workers.
        by_default: whether ``*`` includes it.
        possible: whether the options have what it needs.
    """

    name: str
    long_name: str
    place: str
    workers_flag: str = ""
    by_default: bool = True
    possible: Callable[[Options], bool] = lambda _: True

    def load(self) -> type[Controller]:
        """The class."""
        module, _, name = self.place.partition(":")
        loaded: type[Controller] = getattr(importlib.import_module(f"kprov.kube.controllers.{module}"), name)
        return loaded


ROWS: tuple[Row, ...] = (
    Row(
        "serviceaccount-token",
        "serviceaccount-token-controller",
        "serviceaccount_token:TokensController",
        "concurrent-serviceaccount-token-syncs",
        possible=lambda options: bool(options.service_account_private_key_file),
    ),
    Row(
        "legacy-serviceaccount-token",  # a part of the one above in upstream
        "legacy-serviceaccount-token-controller",
        "legacy_tokens:LegacyTokens",
        possible=lambda options: options.legacy_tokens and bool(options.service_account_private_key_file),
    ),
    Row("serviceaccount", "serviceaccount-controller", "serviceaccount:ServiceAccountController"),
    Row(
        "root-ca-cert-publisher",
        "root-ca-certificate-publisher-controller",
        "root_ca:RootCertificatePublisher",
        possible=lambda options: bool(options.root_ca_file),
    ),
    Row("namespace", "namespace-controller", "namespace:NamespaceController", "concurrent-namespace-syncs"),
    Row(
        "nodeipam",
        "node-ipam-controller",
        "node_ipam:NodeIpam",
        possible=lambda options: options.allocate_node_cidrs and bool(options.cluster_cidr),
    ),
    Row("nodelifecycle", "node-lifecycle-controller", "node_lifecycle:NodeLifecycle"),
    Row("taint-eviction-controller", "taint-eviction-controller", "node_eviction:TaintEviction"),
    Row(
        "deployment",
        "deployment-controller",
        "deployment.controller:DeploymentController",
        "concurrent-deployment-syncs",
    ),
    Row("replicaset", "replicaset-controller", "replicaset:ReplicaSetController", "concurrent-replicaset-syncs"),
    Row(
        "replicationcontroller",
        "replicationcontroller-controller",
        "replicaset:ReplicationController",
        "concurrent-rc-syncs",
    ),
    Row("daemonset", "daemonset-controller", "daemonset:DaemonSetController", "concurrent-daemonset-syncs"),
    Row("job", "job-controller", "job:JobController", "concurrent-job-syncs"),
    Row("endpoint", "endpoints-controller", "endpoints:EndpointsController", "concurrent-endpoint-syncs"),
    Row(
        "endpointslice",
        "endpointslice-controller",
        "endpointslice:EndpointSliceController",
        "concurrent-service-endpoint-syncs",
    ),
    Row(
        "endpointslicemirroring",
        "endpointslice-mirroring-controller",
        "endpointslice_mirroring:EndpointSliceMirroring",
        "mirroring-concurrent-service-endpoint-syncs",
    ),
    Row("statefulset", "statefulset-controller", "statefulset:StatefulSetController", "concurrent-statefulset-syncs"),
    Row("cronjob", "cronjob-controller", "cronjob:CronJobController", "concurrent-cron-job-syncs"),
    Row(
        "ttl-after-finished",
        "ttl-after-finished-controller",
        "ttl_after_finished:TtlAfterFinished",
        "concurrent-ttl-after-finished-syncs",
    ),
    Row("disruption", "disruption-controller", "disruption:DisruptionController"),
    Row(
        "resourcequota",
        "resourcequota-controller",
        "resourcequota:ResourceQuotaController",
        "concurrent-resource-quota-syncs",
    ),
    Row(
        "clusterrole-aggregation",
        "clusterrole-aggregation-controller",
        "clusterrole_aggregation:ClusterRoleAggregation",
    ),
    Row("pvc-protection", "persistentvolumeclaim-protection-controller", "volume_protection:ClaimProtection"),
    Row("pv-protection", "persistentvolume-protection-controller", "volume_protection:VolumeProtection"),
    Row("persistentvolume-binder", "persistentvolume-binder-controller", "volume_binder:VolumeBinder"),
    Row("bootstrapsigner", "bootstrap-signer-controller", "bootstrap_signer:BootstrapSigner", by_default=False),
    Row("tokencleaner", "token-cleaner-controller", "token_cleaner:TokenCleaner", by_default=False),
    Row("podgc", "pod-garbage-collector-controller", "podgc:PodGarbageCollector"),
    Row(
        "csrsigning",
        "certificatesigningrequest-signing-controller",
        "csr_signing:CertificateSigning",
        possible=lambda options: bool(options.cluster_signing_cert_file and options.cluster_signing_key_file),
    ),
    Row("csrapproving", "certificatesigningrequest-approving-controller", "csr_approving:CertificateApproving"),
    Row("csrcleaner", "certificatesigningrequest-cleaner-controller", "csr_cleaner:CertificateCleaner"),
    # Last: it follows with lean informers what no other controller keeps whole.
    Row(
        "garbagecollector",
        "garbage-collector-controller",
        "garbagecollector.controller:GarbageCollector",
        "concurrent-gc-syncs",
    ),
)


def _row_of(name: str) -> Row:
    for row in ROWS:
        if name in (row.name, row.long_name):
            return row
    known = [row.name for row in ROWS]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"is it {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
    raise ValueError(f"--controllers: kprov has no controller {name!r} ({hint})")


def chosen(selection: Iterable[str], options: Options) -> list[Row]:
    """The controllers that ``--controllers`` asks for: ``*``, names, and names with a minus; the last word wins.

    Raises ValueError for a name that is not known.
    """
    words = [word for word in selection if word]
    wanted = {_row_of(word).name for word in words if word != "*" and not word.startswith("-")}
    unwanted = {_row_of(word[1:]).name for word in words if word.startswith("-")}
    everything = "*" in words
    return [
        row
        for row in ROWS
        if row.name not in unwanted
        and (row.name in wanted or (everything and row.by_default))
        and row.possible(options)
    ]
