"""The objects that a policy takes its parameters from, as a binding names them."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.selectors import from_label_selector
from kprov.kube.apiserver.admission.policies.configured import Binding, Policy
from kprov.kube.apiserver.authentication.objects import ObjectStore
from kprov.kube.apiserver.extensions.conversion import Conversion
from kprov.kube.apiserver.resources import table
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.versions import from_storage

Object = dict[str, Any]


class ParametersMissing(Exception):
    """A policy can't be asked, for it has no parameters where it needs some; the text says why."""


async def parameters_of(
    policy: Policy, binding: Binding, namespace: str, store: ObjectStore, conversion: Conversion
) -> list[Object | None]:
    """The parameters with which a policy is asked, one time for each; None for "without any".

    Args:
        policy: the policy.
        binding: what binds it.
        namespace: the namespace of the write.
        store: where objects are.
        conversion: converts objects of custom kinds.

    Raises:
        ParametersMissing: the policy can't be asked. What a binding lets pass without parameters is not asked at all.
    """
    reference = binding.params
    if policy.param_kind is None or not reference:
        return [None]
    info, version = _kind(policy)
    if info.namespaced:
        namespace = reference.get("namespace") or namespace
        if not namespace:
            told = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            raise ParametersMissing(f"failed to configure binding: {told}")
    elif reference.get("namespace"):
        told = "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
        raise ParametersMissing(f"failed to configure binding: {told}")
    await store.ensure_cached(info.key)
    found = _found(store, info, namespace if info.namespaced else "", reference)
    if not found and reference.get("parameterNotFoundAction") != "Allow":
        told = "no params found for policy binding with `Deny` parameterNotFoundAction"
        raise ParametersMissing(f"failed to configure binding: {told}")
    return [from_storage(info, version, await conversion.object(info, each, version)) for each in found]


def _kind(policy: Policy) -> tuple[ResourceInfo, str]:
    api_version, kind = policy.param_kind or ("", "")
    group, _, version = api_version.rpartition("/")
    info = table.find_kind(group, kind)
    if info is None or version not in info.versions or not info.storage_prefix:
        told = f"failed to find resource referenced by paramKind: '{api_version}, Kind={kind}'"
        raise ParametersMissing(f"failed to configure policy: {told}")
    return info, version


def _found(store: ObjectStore, info: ResourceInfo, namespace: str, reference: Object) -> list[Object]:
    if name := reference.get("name"):
        found = store.cached_get(info.key, namespace, name)
        return [found] if found is not None else []
    selector = from_label_selector(reference.get("selector") or {})
    return [
        each
        for each in store.cached_list(info.key, namespace or None)
        if selector.matches(each["metadata"].get("labels") or {})
    ]
