"""The Node authorizer: a node reads what the pods that are bound to it refer to, and nothing else of that kind.

Whatever does not depend on a node's pods is decided by the static rules of the role system:node.
"""

from __future__ import annotations

from kprov.kube.apiserver.authentication.objects import ObjectSource
from kprov.kube.apiserver.authorization.decision import NO_OPINION, Decision, RulesReview
from kprov.kube.apiserver.authorization.node_graph import NodeGraph
from kprov.kube.apiserver.authorization.rules import RuleSet, compile_rules
from kprov.kube.apiserver.bootstrap.system_roles import node_rules
from kprov.kube.apiserver.request import RequestInfo, UserInfo

NODES_GROUP = "system:nodes"
_USER_PREFIX = "system:node:"
_LEASE_NAMESPACE = "kube-node-lease"
_OWN_OBJECT_VERBS = frozenset(("get", "create", "update", "patch", "delete"))
_ALLOWED = Decision(True)


def node_of(user: UserInfo) -> str | None:
    """The name of the node that a user is; empty for a node without a name; None where the user is no node."""
    if NODES_GROUP not in user.groups:
        return None
    return user.name.removeprefix(_USER_PREFIX) if user.name.startswith(_USER_PREFIX) else None


class NodeAuthorizer:
    """Decides for nodes alone.

    Args:
        store: the watch cache that tells which pods are where.
    """

    def __init__(self, store: ObjectSource) -> None:
        self._graph = NodeGraph(store)
        self._static = RuleSet((rule, "node") for rule in compile_rules(node_rules()))

    async def authorize(self, user: UserInfo, info: RequestInfo) -> Decision:
        """Decide for a node; no opinion on anybody else."""
        node = node_of(user)
        if node is None:
            return NO_OPINION
        if not node:
            return Decision(False, f'unknown node for user "{user.name}"')
        refusal = self._refusal(node, info)
        return Decision(False, refusal) if refusal else _ALLOWED

    def rules_for(self, user: UserInfo, namespace: str) -> RulesReview:
        """A node's rights are not a list of rules."""
        if node_of(user) is None:
            return RulesReview([], [])
        return RulesReview([], [], True, "node authorizer does not support user rule resolution")

    def _refusal(self, node: str, info: RequestInfo) -> str:
        """Why a node may not, or nothing."""
        if info.is_resource:
            match (info.api_group, info.resource):
                case ("", "secrets" | "configmaps"):
                    return self._read(node, info)
                case ("", "persistentvolumeclaims") if info.subresource == "status":
                    return self._update_claim_status(node, info)
                case ("", "persistentvolumeclaims" | "persistentvolumes") | ("storage.k8s.io", "volumeattachments"):
                    return self._get(node, info)
                case ("", "serviceaccounts"):
                    return self._create_token(node, info)
                case ("coordination.k8s.io", "leases"):
                    return _own_object(node, info, "node lease", _LEASE_NAMESPACE)
                case ("storage.k8s.io", "csinodes"):
                    return _own_object(node, info, "CSINode", "")
        return "" if self._static.find(info) else "not among the rules for nodes"

    def _related(self, node: str, info: RequestInfo) -> str:
        if not info.name:
            return "No Object name found"
        if self._graph.is_related(node, info.resource, info.namespace, info.name):
            return ""
        return f"no relationship found between node '{node}' and this object"

    def _read(self, node: str, info: RequestInfo) -> str:
        if info.verb not in ("get", "list", "watch"):
            return "can only read resources of this type"
        if info.subresource:
            return "cannot read subresource"
        if not info.namespace:
            return "can only read namespaced object of this type"
        return self._related(node, info)

    def _get(self, node: str, info: RequestInfo) -> str:
        if info.verb != "get":
            return "can only get individual resources of this type"
        if info.subresource:
            return "cannot get subresource"
        return self._related(node, info)

    def _update_claim_status(self, node: str, info: RequestInfo) -> str:
        if info.verb not in ("get", "update", "patch"):
            return "can only get/update/patch this type"
        return self._related(node, info)

    def _create_token(self, node: str, info: RequestInfo) -> str:
        if info.verb != "create" or not info.name:
            return "can only create tokens for individual service accounts"
        if info.subresource != "token":
            return "can only create token subresource of serviceaccount"
        return self._related(node, info)


def _own_object(node: str, info: RequestInfo, what: str, namespace: str) -> str:
    """Objects that a node keeps under its own name. The name of a new one is checked by the NodeRestriction plugin."""
    if info.verb not in _OWN_OBJECT_VERBS:
        return f"can only get, create, update, patch, or delete a {what}"
    if info.subresource:
        return f"cannot authorize {what} subresources"
    if info.namespace != namespace:
        return f'can only access leases in the "{namespace}" system namespace'
    if info.verb != "create" and info.name != node:
        return f"can only access {what} with the same name as the requesting node"
    return ""
