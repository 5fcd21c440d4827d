"""NodeRestriction: a node writes its own Node, its own lease and what belongs to its own pods."""

from __future__ import annotations

from kprov.kube.apiserver.admission.attributes import CREATE, DELETE, UPDATE, AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Object, Plugin, forbid
from kprov.kube.apiserver.admission.service_account import MIRROR
from kprov.kube.apiserver.authentication.objects import NODES, PODS
from kprov.kube.apiserver.authorization.node import node_of
from kprov.kube.apiserver.authorization.node_graph import pod_references
from kprov.kube.apiserver.strategy.equality import semantically_equal

_LEASES = ("coordination.k8s.io", "leases")
_CSI_NODES = ("storage.k8s.io", "csinodes")
_CLAIMS = ("", "persistentvolumeclaims")
_ACCOUNTS = ("", "serviceaccounts")
_LEASE_NAMESPACE = "kube-node-lease"
# Labels of the project's own domains that a kubelet may set on itself.
_KUBELET_LABELS = frozenset(
    (
        "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
        "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type", "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch", "kubernetes.io/os", "kubernetes.io/arch", "node.kubernetes.io/windows-build",
    )
)  # fmt: skip
_KUBELET_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


class NodeRestriction(Plugin):
    """See the module."""

    name = "NodeRestriction"
    resources = frozenset((PODS, NODES, _CLAIMS, _ACCOUNTS, _LEASES, _CSI_NODES))
    operations = frozenset((CREATE, UPDATE, DELETE))
    subresources = None
    caches = (PODS, NODES)

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Refuse; nothing is changed."""
        node = node_of(attrs.user)
        if node is None:
            return
        if not node:
            raise forbid(attrs, f'could not determine node from user "{attrs.user.name}"')
        key = attrs.resource_info.key
        if key == PODS:
            await self._check_pod(node, attrs)
        elif key == NODES:
            _check_node(node, attrs)
        elif key == _CLAIMS:
            _check_claim(node, attrs)
        elif key == _ACCOUNTS:
            await self._check_token(attrs, node)
        elif key == _LEASES:
            _check_own(node, attrs, "node lease", _LEASE_NAMESPACE)
        else:
            _check_own(node, attrs, "CSINode", "")

    async def _pod(self, namespace: str, name: str) -> Object:
        return self.store.cached_get(PODS, namespace, name) or await self.store.get(PODS, namespace, name)

    async def _check_pod(self, node: str, attrs: AdmissionAttributes) -> None:
        match (attrs.subresource, attrs.operation):
            case ("", "CREATE"):
                await self._check_mirror(node, attrs)
            case ("", "DELETE"):
                pod = attrs.old_obj or await self._pod(attrs.namespace, attrs.name)
                if _node_name(pod) != node:
                    raise forbid(attrs, f'node "{node}" can only delete pods with spec.nodeName set to itself')
            case ("", _):
                message = (
                    f'unexpected operation "{attrs.operation}", node "{node}" can only create and delete mirror pods'
                )
                raise forbid(attrs, message)
            case ("status", "UPDATE"):
                old = attrs.old_obj or {}
                if _node_name(old) != node:
                    own = "pods with spec.nodeName set to itself"
                    raise forbid(attrs, f'node "{node}" can only update pod status for {own}')
                if not semantically_equal(_labels(old), _labels(attrs.obj or {})):
                    raise forbid(attrs, f'node "{node}" cannot update labels through pod status')
            case ("eviction", "CREATE"):
                name = attrs.name or ((attrs.obj or {}).get("metadata") or {}).get("name")
                if not name:
                    raise forbid(attrs, "could not determine pod from request data")
                if _node_name(await self._pod(attrs.namespace, name)) != node:
                    raise forbid(attrs, f"node {node} can only evict pods with spec.nodeName set to itself")
            case ("status" | "eviction", _):
                raise forbid(attrs, f'unexpected operation "{attrs.operation}"')
            case _:
                message = (
                    f"unexpected pod subresource \"{attrs.subresource}\", only 'status' and 'eviction' are allowed"
                )
                raise forbid(attrs, message)

    async def _check_mirror(self, node: str, attrs: AdmissionAttributes) -> None:
        pod = attrs.obj or {}
        if MIRROR not in (pod["metadata"].get("annotations") or {}):
            message = f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
            raise forbid(attrs, message)
        if _node_name(pod) != node:
            raise forbid(attrs, f'node "{node}" can only create pods with spec.nodeName set to itself')
        owners = pod["metadata"].get("ownerReferences") or []
        if len(owners) > 1:
            raise forbid(attrs, f'node "{node}" can only create pods with a single owner reference set to itself')
        if not owners or (owners[0].get("apiVersion"), owners[0].get("kind"), owners[0].get("name")) != (
            "v1",
            "Node",
            node,
        ):
            raise forbid(attrs, f'node "{node}" can only create pods with an owner reference set to itself')
        if not owners[0].get("controller"):
            raise forbid(attrs, f'node "{node}" can only create pods with a controller owner reference set to itself')
        if owners[0].get("blockOwnerDeletion"):
            raise forbid(attrs, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
        known = self.store.cached_get(NODES, "", node) or await self.store.get(NODES, "", node)
        if owners[0].get("uid") != known["metadata"].get("uid"):
            uids = f"expected {owners[0].get('uid')} got {known['metadata'].get('uid')}"
            raise forbid(attrs, f"node {node} UID mismatch: {uids}")
        if pod["spec"].get("serviceAccountName"):
            raise forbid(attrs, f'node "{node}" can not create pods that reference a service account')
        for plural, _, _ in pod_references({"metadata": {"namespace": "", "name": ""}, "spec": pod["spec"]}):
            raise forbid(attrs, f'node "{node}" can not create pods that reference {plural}')

    async def _check_token(self, attrs: AdmissionAttributes, node: str) -> None:
        if attrs.operation != CREATE or attrs.subresource != "token":
            return
        bound = ((attrs.obj or {}).get("spec") or {}).get("boundObjectRef") or {}
        if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod") or not bound.get("name"):
            raise forbid(attrs, "node requested token not bound to a pod")
        if not bound.get("uid"):
            raise forbid(attrs, "node requested token with a pod binding without a uid")
        pod = await self._pod(attrs.namespace, bound["name"])
        if pod["metadata"].get("uid") != bound["uid"]:
            raise forbid(
                attrs,
                f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record "
                f"({pod['metadata'].get('uid')}). The object might have been deleted and then recreated",
            )
        if _node_name(pod) != node:
            raise forbid(attrs, "node requested token bound to a pod scheduled on a different node")


def _node_name(pod: Object) -> str:
    return (pod.get("spec") or {}).get("nodeName") or ""


def _labels(obj: Object) -> Object:
    return (obj.get("metadata") or {}).get("labels") or {}


def _check_node(node: str, attrs: AdmissionAttributes) -> None:
    name = attrs.name or ((attrs.obj or {}).get("metadata") or {}).get("name") or ""
    if name != node:
        raise forbid(attrs, f'node "{node}" is not allowed to modify node "{name}"')
    if attrs.operation == DELETE:
        return
    new, old = attrs.obj or {}, attrs.old_obj or {}
    after, before = _labels(new), _labels(old)
    changed = {key for key in {*after, *before} if after.get(key) != before.get(key)}
    refused = ", ".join(sorted(key for key in changed if not may_label_itself(key)))
    if attrs.operation == CREATE:
        if refused:
            raise forbid(attrs, f'node "{node}" is not allowed to set the following labels: {refused}')
        return
    if not semantically_equal((new.get("spec") or {}).get("taints"), (old.get("spec") or {}).get("taints")):
        raise forbid(attrs, f'node "{node}" is not allowed to modify taints')
    if refused:
        raise forbid(attrs, f"is not allowed to modify labels: {refused}")


def may_label_itself(key: str) -> bool:
    """Whether a node may set a label on itself: none that steers others' workloads to it."""
    domain = key.rpartition("/")[0]

    def within(parent: str) -> bool:
        return domain == parent or domain.endswith("." + parent)

    if within("node-restriction.kubernetes.io"):
        return False
    if not (within("kubernetes.io") or within("k8s.io")):
        return True
    return key in _KUBELET_LABELS or any(within(allowed) for allowed in _KUBELET_DOMAINS)


def _check_claim(node: str, attrs: AdmissionAttributes) -> None:
    if attrs.subresource != "status":
        raise forbid(attrs, "may only update PVC status")
    if attrs.operation != UPDATE:
        raise forbid(attrs, f'unexpected operation "{attrs.operation}"')
    if not semantically_equal(_claim_without_size(attrs.obj or {}), _claim_without_size(attrs.old_obj or {})):
        message = f'node "{node}" is not allowed to update fields other than status.capacity and status.conditions'
        raise forbid(attrs, message)


def _claim_without_size(claim: Object) -> Object:
    metadata = {
        key: value for key, value in claim["metadata"].items() if key not in ("resourceVersion", "managedFields")
    }
    status = {
        key: value
        for key, value in (claim.get("status") or {}).items()
        if key not in ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")
    }
    return {"metadata": metadata, "spec": claim.get("spec"), "status": status}


def _check_own(node: str, attrs: AdmissionAttributes, what: str, namespace: str) -> None:
    if namespace and attrs.namespace != namespace:
        raise forbid(attrs, f'can only access leases in the "{namespace}" system namespace')
    name = attrs.obj["metadata"].get("name") if attrs.operation == CREATE and attrs.obj else attrs.name
    if name != node:
        raise forbid(attrs, f"can only access {what} with the same name as the requesting node")
