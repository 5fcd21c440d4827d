"""The table of kinds. A new kind is a row here and, where it has behaviour, a strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kprov.kube.apiserver.resources.info import ResourceInfo

_REVIEW: dict[str, Any] = {"verbs": ("create",), "prefix": ""}


def _row(
    group: str,
    plural: str,
    kind: str,
    *,
    versions: tuple[str, ...] = ("v1",),
    singular: str = "",
    short: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    cluster: bool = False,
    sub: tuple[str, ...] = (),
    prefix: str | None = None,
    storage: tuple[str, str] | None = None,
    generation: bool = False,
    fields: tuple[str, ...] = (),
    **more: Any,
) -> ResourceInfo:
    """A row, with what follows from the rest filled in."""
    storage_group, storage_version = storage or (group, versions[0])
    return ResourceInfo(
        group=group,
        versions=versions,
        plural=plural,
        kind=kind,
        singular=singular or kind.lower(),
        namespaced=not cluster,
        short_names=short,
        categories=categories,
        subresources=sub,
        storage_prefix=plural if prefix is None else prefix,
        storage_group=storage_group,
        storage_version=storage_version,
        tracks_generation=generation,
        selectable_fields=fields,
        **more,
    )


_SCALE = {"scale": ("autoscaling", "v1", "Scale")}
_ALL = ("all",)
_POD_SUBRESOURCES = (
    "attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize", "status",
)  # fmt: skip
_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
)
_EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)

_ROWS: tuple[ResourceInfo, ...] = (
    # core
    _row("", "bindings", "Binding", **_REVIEW),
    _row("", "componentstatuses", "ComponentStatus", short=("cs",), cluster=True, prefix="", verbs=("get", "list")),
    _row("", "configmaps", "ConfigMap", short=("cm",)),
    _row("", "endpoints", "Endpoints", singular="endpoints", short=("ep",), prefix="services/endpoints",
         create_on_update=True),
    _row("", "events", "Event", short=("ev",), fields=_EVENT_FIELDS, create_on_update=True),
    _row("", "limitranges", "LimitRange", short=("limits",), create_on_update=True),
    _row("", "namespaces", "Namespace", short=("ns",), cluster=True, sub=("finalize", "status"),
         fields=("status.phase",), verbs=("create", "delete", "get", "list", "patch", "update", "watch")),
    _row("", "nodes", "Node", short=("no",), cluster=True, sub=("proxy", "status"), prefix="minions",
         fields=("spec.unschedulable",), status_on_create=True,),
    _row("", "persistentvolumeclaims", "PersistentVolumeClaim", short=("pvc",), sub=("status",)),
    _row("", "persistentvolumes", "PersistentVolume", short=("pv",), cluster=True, sub=("status",)),
    _row("", "pods", "Pod", short=("po",), categories=_ALL, sub=_POD_SUBRESOURCES, fields=_POD_FIELDS,
         subresource_kinds={
             "attach": ("", "v1", "PodAttachOptions"), "binding": ("", "v1", "Binding"),
             "eviction": ("policy", "v1", "Eviction"), "exec": ("", "v1", "PodExecOptions"),
             "portforward": ("", "v1", "PodPortForwardOptions"), "proxy": ("", "v1", "PodProxyOptions"),
         }),
    _row("", "podtemplates", "PodTemplate", generation=True, create_on_update=True),
    _row("", "replicationcontrollers", "ReplicationController", short=("rc",), categories=_ALL, sub=("scale", "status"),
         prefix="controllers", generation=True, fields=("status.replicas",), subresource_kinds=_SCALE),
    _row("", "resourcequotas", "ResourceQuota", short=("quota",), sub=("status",)),
    _row("", "secrets", "Secret", fields=("type",)),
    _row("", "serviceaccounts", "ServiceAccount", short=("sa",), sub=("token",),
         subresource_kinds={"token": ("authentication.k8s.io", "v1", "TokenRequest")}),
    _row("", "services", "Service", short=("svc",), categories=_ALL, sub=("proxy", "status"), prefix="services/specs",
         fields=("spec.clusterIP", "spec.type"), create_on_update=True,
         subresource_kinds={"proxy": ("", "v1", "ServiceProxyOptions")}),
    # apps
    _row("apps", "controllerrevisions", "ControllerRevision"),
    _row("apps", "daemonsets", "DaemonSet", short=("ds",), categories=_ALL, sub=("status",), generation=True),
    _row("apps", "deployments", "Deployment", short=("deploy",), categories=_ALL, sub=("scale", "status"),
         generation=True, subresource_kinds=_SCALE),
    _row("apps", "replicasets", "ReplicaSet", short=("rs",), categories=_ALL, sub=("scale", "status"),
         generation=True, fields=("status.replicas",), subresource_kinds=_SCALE),
    _row("apps", "statefulsets", "StatefulSet", short=("sts",), categories=_ALL, sub=("scale", "status"),
         generation=True, subresource_kinds=_SCALE),
    # batch
    _row("batch", "cronjobs", "CronJob", versions=("v1", "v1beta1"), short=("cj",), categories=_ALL, sub=("status",),
         generation=True),
    _row("batch", "jobs", "Job", categories=_ALL, sub=("status",), generation=True, fields=("status.successful",)),
    # autoscaling
    _row("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", versions=("v2", "v1"), short=("hpa",),
         categories=_ALL, sub=("status",)),
    # policy
    _row("policy", "poddisruptionbudgets", "PodDisruptionBudget", versions=("v1", "v1beta1"), short=("pdb",),
         sub=("status",), generation=True),
    # networking
    _row("networking.k8s.io", "ingressclasses", "IngressClass", versions=("v1", "v1beta1"), cluster=True,
         generation=True),
    _row("networking.k8s.io", "ingresses", "Ingress", versions=("v1", "v1beta1"), short=("ing",), sub=("status",),
         prefix="ingress", generation=True),
    # without the short name: "ing" means the one above, and kubectl warns wherever two share one
    _row("extensions", "ingresses", "Ingress", versions=("v1beta1",), sub=("status",),
         prefix="ingress", storage=("networking.k8s.io", "v1"), generation=True),
    _row("networking.k8s.io", "networkpolicies", "NetworkPolicy", short=("netpol",), generation=True),
    # rbac
    _row("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", versions=("v1", "v1beta1"),
         cluster=True, create_on_update=True),
    _row("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", versions=("v1", "v1beta1"), cluster=True,
         create_on_update=True),
    _row("rbac.authorization.k8s.io", "rolebindings", "RoleBinding", versions=("v1", "v1beta1"), create_on_update=True),
    _row("rbac.authorization.k8s.io", "roles", "Role", versions=("v1", "v1beta1"), create_on_update=True),
    # coordination, discovery, events
    _row("coordination.k8s.io", "leases", "Lease", create_on_update=True, unconditional_update=False),
    _row("discovery.k8s.io", "endpointslices", "EndpointSlice", versions=("v1", "v1beta1"), generation=True),
    _row("events.k8s.io", "events", "Event", versions=("v1", "v1beta1"), short=("ev",), storage=("", "v1"),
         fields=("reason", "regarding.kind", "regarding.name", "regarding.namespace", "regarding.uid", "type",
                 "reportingController"), create_on_update=True),
    # storage
    _row("storage.k8s.io", "csidrivers", "CSIDriver", cluster=True, generation=True),
    _row("storage.k8s.io", "csinodes", "CSINode", cluster=True),
    _row("storage.k8s.io", "csistoragecapacities", "CSIStorageCapacity"),
    _row("storage.k8s.io", "storageclasses", "StorageClass", short=("sc",), cluster=True, create_on_update=True),
    _row("storage.k8s.io", "volumeattachments", "VolumeAttachment", cluster=True, sub=("status",)),
    # scheduling, node, certificates
    _row("scheduling.k8s.io", "priorityclasses", "PriorityClass", short=("pc",), cluster=True, generation=False),
    _row("node.k8s.io", "runtimeclasses", "RuntimeClass", cluster=True),
    _row("certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest", versions=("v1",
         "v1beta1"), short=("csr",), cluster=True,
         sub=("approval", "status"), fields=("spec.signerName",)),
    # kinds of the users' own
    _row("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", versions=("v1", "v1beta1"),
         short=("crd", "crds"), categories=("api-extensions",), cluster=True, sub=("status",), generation=True,
         prefix="apiextensions.k8s.io/customresourcedefinitions"),
    # other servers' kinds, and who serves each group and version
    _row("apiregistration.k8s.io", "apiservices", "APIService", versions=("v1", "v1beta1"), cluster=True,
         categories=("api-extensions",), sub=("status",), prefix="apiregistration.k8s.io/apiservices",
         unconditional_update=False),
    # admission and flow control: stored as given
    _row("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", cluster=True,
         categories=("api-extensions",), generation=True),
    _row("admissionregistration.k8s.io", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", cluster=True,
         categories=("api-extensions",), sub=("status",), generation=True),
    _row("admissionregistration.k8s.io", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding",
         cluster=True, categories=("api-extensions",), generation=True),
    _row("admissionregistration.k8s.io", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration",
         cluster=True, categories=("api-extensions",), generation=True),
    _row("flowcontrol.apiserver.k8s.io", "flowschemas", "FlowSchema", cluster=True, sub=("status",), generation=True),
    _row("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "PriorityLevelConfiguration", cluster=True,
         sub=("status",), generation=True),
    # questions: answered, never stored
    _row("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", cluster=True, **_REVIEW),
    _row("authentication.k8s.io", "tokenreviews", "TokenReview", versions=("v1", "v1beta1"), cluster=True, **_REVIEW),
    _row("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", versions=("v1", "v1beta1"),
         **_REVIEW),
    _row("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", versions=("v1", "v1beta1"),
         cluster=True, **_REVIEW),
    _row("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", versions=("v1", "v1beta1"),
         cluster=True, **_REVIEW),
    _row("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", versions=("v1", "v1beta1"),
         cluster=True, **_REVIEW),
)  # fmt: skip

RESOURCES: dict[tuple[str, str], ResourceInfo] = {row.key: row for row in _ROWS}
"""(group, plural) -> the kind."""

# The order in which discovery lists groups: a client that knows only "deployments" takes the first that has them.
_GROUP_ORDER = (
    "", "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
    "autoscaling", "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io",
    "discovery.k8s.io", "flowcontrol.apiserver.k8s.io", "extensions",
)  # fmt: skip

_VERSION_RANK = {"v2": 0, "v1": 1, "v1beta1": 2}
GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(
        sorted({v for row in _ROWS if row.group == group for v in row.versions}, key=lambda v: _VERSION_RANK[v])
    )
    for group in _GROUP_ORDER
}
"""group -> its versions, the preferred one first."""

_KINDS: dict[tuple[str, str], ResourceInfo] = {(row.group, row.kind): row for row in _ROWS}


_changed: list[Callable[[], None]] = []


def on_change(forget: Callable[[], None]) -> Callable[[], None]:
    """Call back whenever the table changes: for those who remember what they made of it."""
    _changed.append(forget)
    return forget


def add(info: ResourceInfo, rank: Callable[[str], Any]) -> None:
    """Serve a kind, or what a kind has become; ``rank`` sorts the versions of its group."""
    present = RESOURCES.get(info.key)
    if present is not None:
        _KINDS.pop((present.group, present.kind), None)
    RESOURCES[info.key] = info
    _KINDS[info.group, info.kind] = info
    _arrange(info.group, rank)


def remove(key: tuple[str, str], rank: Callable[[str], Any]) -> None:
    """Serve a kind no longer."""
    info = RESOURCES.pop(key)
    _KINDS.pop((info.group, info.kind), None)
    _arrange(info.group, rank)


def _arrange(group: str, rank: Callable[[str], Any]) -> None:
    versions = {version for info in RESOURCES.values() if info.group == group for version in info.versions}
    if versions:
        GROUPS[group] = tuple(sorted(versions, key=rank))
    else:
        GROUPS.pop(group, None)
    for forget in _changed:
        forget()


def find(group: str, plural: str) -> ResourceInfo | None:
    """The kind that a URL names, or None where it is not served."""
    return RESOURCES.get((group, plural))


def find_kind(group: str, kind: str) -> ResourceInfo | None:
    """The kind that an object's apiVersion and kind name, or None where it is not served."""
    return _KINDS.get((group, kind))
