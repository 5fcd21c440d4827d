"""The chain of admission plugins, in upstream's order."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from time import perf_counter
from typing import Any

from kprov.kube.apiserver.admission.always import AlwaysAdmit, AlwaysDeny, AlwaysPullImages, NamespaceExists
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from kprov.kube.apiserver.admission.external_ips import DenyServiceExternalIPs
from kprov.kube.apiserver.admission.ingress import DefaultIngressClass
from kprov.kube.apiserver.admission.instruments import ADMIT, CONTROLLERS, STEPS, VALIDATE
from kprov.kube.apiserver.admission.limit_ranger import LimitRanger
from kprov.kube.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from kprov.kube.apiserver.admission.node_restriction import NodeRestriction
from kprov.kube.apiserver.admission.plugin import Plugin, Surroundings
from kprov.kube.apiserver.admission.pod_security.plugin import PodSecurity
from kprov.kube.apiserver.admission.policies.plugin import ValidatingAdmissionPolicy
from kprov.kube.apiserver.admission.priority import Priority
from kprov.kube.apiserver.admission.rbac_escalation import RBACEscalation
from kprov.kube.apiserver.admission.resource_quota import ResourceQuota
from kprov.kube.apiserver.admission.runtime_class import RuntimeClass
from kprov.kube.apiserver.admission.service_account import ServiceAccount
from kprov.kube.apiserver.admission.storage import (
    DefaultStorageClass,
    PersistentVolumeClaimResize,
    StorageObjectInUseProtection,
)
from kprov.kube.apiserver.admission.tolerations import (
    DefaultTolerationSeconds,
    ExtendedResourceToleration,
    TaintNodesByCondition,
)
from kprov.kube.apiserver.admission.webhooks.plugins import MutatingAdmissionWebhook, ValidatingAdmissionWebhook
from kprov.kube.apiserver.authentication.objects import GroupResource

_ORDER: tuple[type[Plugin], ...] = (
    AlwaysAdmit,
    NamespaceLifecycle,
    NamespaceExists,
    LimitRanger,
    ServiceAccount,
    NodeRestriction,
    TaintNodesByCondition,
    AlwaysPullImages,
    PodSecurity,
    Priority,
    DefaultTolerationSeconds,
    ExtendedResourceToleration,
    DefaultStorageClass,
    StorageObjectInUseProtection,
    PersistentVolumeClaimResize,
    RuntimeClass,
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
    DefaultIngressClass,
    DenyServiceExternalIPs,
    MutatingAdmissionWebhook,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionWebhook,
    # What counts comes after everything that changes.
    ResourceQuota,
    AlwaysDeny,
)
_OFF = frozenset(
    (
        "AlwaysAdmit",
        "AlwaysDeny",
        "AlwaysPullImages",
        "DenyServiceExternalIPs",
        "ExtendedResourceToleration",
        "NamespaceExists",
        "NodeRestriction",
    )
)

ALL_PLUGINS: tuple[str, ...] = tuple(plugin.name for plugin in _ORDER)
"""What --enable-admission-plugins and --disable-admission-plugins may name, in the order in which they are asked."""

DEFAULT_PLUGINS: tuple[str, ...] = tuple(name for name in ALL_PLUGINS if name not in _OFF)
"""What is on without either flag."""


class AdmissionChain:
    """Asks the plugins, each only about what it looks at."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self.plugins = list(plugins)
        self._mutating = [plugin for plugin in self.plugins if type(plugin).mutate is not Plugin.mutate]
        self._validating = [plugin for plugin in self.plugins if type(plugin).validate is not Plugin.validate]
        self._known: dict[tuple[GroupResource, str, str, bool], tuple[Plugin, ...]] = {}

    def _concerned(self, attrs: AdmissionAttributes, mutating: bool) -> tuple[Plugin, ...]:
        key = (attrs.resource_info.key, attrs.operation, attrs.subresource, mutating)
        found = self._known.get(key)
        if found is None:
            plugins = self._mutating if mutating else self._validating
            found = self._known[key] = tuple(each for each in plugins if each.looks_at(*key[:3]))
        return found

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Let plugins change the object, and once more where webhooks did. Raises ApiError where one refuses."""
        began, rejected = perf_counter(), "true"
        try:
            concerned = self._concerned(attrs, True)
            for plugin in concerned:
                await _timed(plugin, plugin.mutate(attrs), attrs.operation, ADMIT)
            if attrs.again:
                for plugin in concerned:
                    await _timed(plugin, plugin.mutate(attrs), attrs.operation, ADMIT)
            rejected = "false"
        finally:
            STEPS.observe(perf_counter() - began, attrs.operation, rejected, ADMIT)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Ask plugins about the finished object. Raises ApiError where one refuses."""
        began, rejected = perf_counter(), "true"
        try:
            for plugin in self._concerned(attrs, False):
                await _timed(plugin, plugin.validate(attrs), attrs.operation, VALIDATE)
            rejected = "false"
        finally:
            STEPS.observe(perf_counter() - began, attrs.operation, rejected, VALIDATE)

    @property
    def caches(self) -> set[GroupResource]:
        """The kinds that must be in the watch cache before the first request."""
        return {each for plugin in self.plugins for each in plugin.caches}


async def _timed(plugin: Plugin, asked: Coroutine[Any, Any, None], operation: str, kind: str) -> None:
    """Wait for a plugin's word, and note how long it took."""
    began, rejected = perf_counter(), "true"
    try:
        await asked
        rejected = "false"
    finally:
        CONTROLLERS.observe(perf_counter() - began, plugin.name, operation, rejected, kind)


def build_chain(around: Surroundings, enable: Iterable[str] = (), disable: Iterable[str] = ()) -> AdmissionChain:
    """The chain for --enable-admission-plugins and --disable-admission-plugins.

    Args:
        around: what plugins work with.
        enable: names to add to the default.
        disable: names to take from it.

    Raises:
        ValueError: a name is not known, or is both enabled and disabled.
    """
    enabled, disabled = set(enable), set(disable)
    unknown = sorted((enabled | disabled) - set(ALL_PLUGINS))
    if unknown:
        raise ValueError(f"unknown admission plugins: {', '.join(unknown)}; kprov has {', '.join(ALL_PLUGINS)}")
    if both := sorted(enabled & disabled):
        raise ValueError(f"{', '.join(both)} in enable-plugins and disable-plugins overlapped")
    on = (set(DEFAULT_PLUGINS) | enabled) - disabled
    plugins = [plugin(around) for plugin in _ORDER if plugin.name in on]
    return AdmissionChain([*plugins, RBACEscalation(around)])
