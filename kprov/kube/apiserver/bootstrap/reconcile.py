"""Brings the cluster's first objects into being, and keeps the default policy complete.

Every API server does this at its start, several perhaps at once: what is missing is created, and what another created a
moment earlier is taken as it is. Rules and subjects are only ever added, so that what an administrator gave stays; an
object with the annotation rbac.authorization.kubernetes.io/autoupdate: "false" is left alone.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.authentication.objects import GroupResource, ObjectStore
from kprov.kube.apiserver.authorization.cover import uncovered
from kprov.kube.apiserver.bootstrap.bindings import system_bindings
from kprov.kube.apiserver.bootstrap.controller_roles import controller_bindings, controller_roles
from kprov.kube.apiserver.bootstrap.namespace_roles import namespace_bindings, namespace_roles
from kprov.kube.apiserver.bootstrap.namespaces import namespaces, priority_classes
from kprov.kube.apiserver.bootstrap.rules import RBAC_GROUP, Object
from kprov.kube.apiserver.bootstrap.system_roles import system_roles
from kprov.kube.apiserver.bootstrap.user_roles import user_roles

_log = logging.getLogger(__name__)

_AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"

Change = Callable[[Object], Object | None]


async def reconcile(store: ObjectStore, authentication: Object | None = None) -> None:
    """Create and complete everything.

    Args:
        store: where objects are kept.
        authentication: the extension-apiserver-authentication ConfigMap, if there is something to tell.

    Raises:
        ApiError: the store failed; call again.
    """
    for each in namespaces():
        await _ensure(store, ("", "namespaces"), each, None)
    for each in priority_classes():
        await _ensure(store, ("scheduling.k8s.io", "priorityclasses"), each, _same_value(each))
    await reconcile_policy(store)
    await tell_authentication(store, authentication)


async def tell_authentication(store: ObjectStore, authentication: Object | None) -> None:
    """Let other servers know how users of this one are told; nothing is done where there is nothing to tell.

    Args:
        store: where objects are kept.
        authentication: the extension-apiserver-authentication ConfigMap.

    Raises:
        ApiError: the store failed; call again.
    """
    if authentication is not None:
        await _ensure(store, ("", "configmaps"), authentication, _same_data(authentication))


async def reconcile_policy(store: ObjectStore) -> None:
    """The default RBAC policy."""
    for each in [*user_roles(), *system_roles(), *controller_roles()]:
        await _ensure(store, (RBAC_GROUP, "clusterroles"), each, _complete_role(each))
    for each in [*system_bindings(), *controller_bindings()]:
        await _ensure_binding(store, (RBAC_GROUP, "clusterrolebindings"), each)
    for each in namespace_roles():
        await _ensure(store, (RBAC_GROUP, "roles"), each, _complete_role(each))
    for each in namespace_bindings():
        await _ensure_binding(store, (RBAC_GROUP, "rolebindings"), each)


def complete_metadata(obj: Object) -> Object:
    """The object with a uid and the time of its creation."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**obj, "metadata": {**obj["metadata"], "uid": str(uuid.uuid4()), "creationTimestamp": now}}


async def _ensure(store: ObjectStore, resource: GroupResource, wanted: Object, change: Change | None) -> None:
    metadata = wanted["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    present = store.cached_get(resource, namespace, name)
    if present is None:
        try:
            await store.create(resource, complete_metadata(wanted))
            return
        except ApiError as error:
            if not errors.is_already_exists(error):
                raise
    if change is None or (present is not None and change(present) is None):
        return
    await store.guaranteed_update(resource, namespace, name, change)


async def _ensure_binding(store: ObjectStore, resource: GroupResource, wanted: Object) -> None:
    await _ensure(store, resource, wanted, _complete_binding(wanted))


def _protected(present: Object) -> bool:
    return (present["metadata"].get("annotations") or {}).get(_AUTOUPDATE) == "false"


def _marked(present: Object, wanted: Object) -> Object:
    """The object with the labels and annotations of the default policy added."""
    metadata = dict(present["metadata"])
    for field in ("labels", "annotations"):
        metadata[field] = {**(wanted["metadata"].get(field) or {}), **(metadata.get(field) or {})}
    return {**present, "metadata": metadata}


def _complete_role(wanted: Object) -> Change:
    def change(present: Object) -> Object | None:
        if _protected(present):
            return None
        changed = _marked(present, wanted)
        if "aggregationRule" in wanted:
            # Its rules belong to the aggregation; only the selectors are completed.
            selectors = list((present.get("aggregationRule") or {}).get("clusterRoleSelectors") or ())
            missing = [each for each in wanted["aggregationRule"]["clusterRoleSelectors"] if each not in selectors]
            if missing:
                changed["aggregationRule"] = {"clusterRoleSelectors": selectors + missing}
        else:
            present_rules = present.get("rules") or []
            missing = uncovered(present_rules, wanted["rules"])
            if missing:
                changed["rules"] = [*present_rules, *missing]
        return None if changed == present else changed

    return change


def _complete_binding(wanted: Object) -> Change:
    def change(present: Object) -> Object | None:
        if _protected(present):
            return None
        if present.get("roleRef") != wanted["roleRef"]:
            _log.warning(
                "%s %s refers to another role than the default policy's: left as it is",
                wanted["kind"],
                wanted["metadata"]["name"],
            )
            return None
        changed = _marked(present, wanted)
        subjects = list(present.get("subjects") or ())
        missing = [each for each in wanted.get("subjects") or () if each not in subjects]
        if missing:
            changed["subjects"] = subjects + missing
        return None if changed == present else changed

    return change


def _same_value(wanted: Object) -> Change:
    def change(present: Object) -> Object | None:
        return None if present.get("value") == wanted["value"] else {**present, "value": wanted["value"]}

    return change


def _same_data(wanted: Object) -> Change:
    def change(present: Object) -> Object | None:
        data = {**(present.get("data") or {}), **wanted["data"]}
        return None if present.get("data") == data else {**present, "data": data}

    return change
