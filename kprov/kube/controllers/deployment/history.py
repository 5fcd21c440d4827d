"""A deployment's ReplicaSets: which is the new one, their revisions, and making the new one."""

from __future__ import annotations

import json
from typing import Any

from kprov.kube.api.kinds import DEPLOYMENTS
from kprov.kube.controllers.deployment.numbers import MAX_REPLICAS, max_surge
from kprov.kube.controllers.ownership import controller_reference
from kprov.kube.controllers.template import HASH_LABEL, same_template, stable_hash

Object = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Annotations of a deployment that its ReplicaSets do not inherit, and of a ReplicaSet that a sync does not overwrite.
OWN_ANNOTATIONS = frozenset(
    {LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS, "deprecated.deployment.rollback.to"}
)


def annotations_of(obj: Object) -> dict[str, str]:
    """The object's annotations, never None."""
    return obj["metadata"].get("annotations") or {}


def revision_of(obj: Object) -> int:
    """The revision in the annotation; 0 without one."""
    try:
        return int(annotations_of(obj).get(REVISION, "0"))
    except ValueError:
        return 0


def oldest_first(obj: Object) -> tuple[str, str]:
    """Sort key by creation, then name."""
    return obj["metadata"].get("creationTimestamp") or "", obj["metadata"]["name"]


def find_new(deployment: Object, replica_sets: list[Object]) -> Object | None:
    """The set that runs the deployment's template; the oldest, if there are several."""
    for replica_set in sorted(replica_sets, key=oldest_first):
        if same_template(replica_set["spec"]["template"], deployment["spec"]["template"]):
            return replica_set
    return None


def size_annotations(deployment: Object) -> dict[str, str]:
    """What each scaled set remembers, for scaling by proportion later."""
    wanted = deployment["spec"].get("replicas", 1)
    return {DESIRED_REPLICAS: str(wanted), MAX_REPLICAS: str(wanted + max_surge(deployment))}


def inherited_annotations(deployment: Object, replica_set: Object | None, revision: int) -> dict[str, str]:
    """The annotations that the new set should have: the deployment's, its own, and its revision.

    A set that gets a newer revision again (a rollback) remembers the ones that it had.
    """
    own = dict(annotations_of(replica_set)) if replica_set else {}
    result = own | {k: v for k, v in annotations_of(deployment).items() if k not in OWN_ANNOTATIONS}
    old = int(own[REVISION]) if own.get(REVISION, "").isdigit() else 0
    if old < revision:
        result[REVISION] = str(revision)
        if old:
            history = own.get(REVISION_HISTORY)
            result[REVISION_HISTORY] = f"{history},{old}" if history else str(old)
    return result


def build_new(deployment: Object, revision: int) -> Object:
    """A ReplicaSet for the deployment's template, with no replicas yet."""
    spec = deployment["spec"]
    digest = stable_hash(spec["template"], (deployment.get("status") or {}).get("collisionCount") or 0)
    template = json.loads(json.dumps(spec["template"]))
    labels = (template.setdefault("metadata", {}).get("labels") or {}) | {HASH_LABEL: digest}
    template["metadata"]["labels"] = labels
    selector = dict(spec["selector"])
    selector["matchLabels"] = (selector.get("matchLabels") or {}) | {HASH_LABEL: digest}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{digest}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": dict(labels),
            "annotations": inherited_annotations(deployment, None, revision) | size_annotations(deployment),
            "ownerReferences": [controller_reference(deployment, DEPLOYMENTS)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": selector,
            "template": template,
        },
    }
