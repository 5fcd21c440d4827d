"""PodSecurity: refuses pods that their namespace's level forbids, and warns of what it would forbid."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import errors
from kprov.kube.apiserver.admission.attributes import CREATE, UPDATE, AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Plugin, forbid
from kprov.kube.apiserver.admission.pod_security.levels import Level, label_errors, said, standards_of
from kprov.kube.apiserver.admission.pod_security.pod import containers
from kprov.kube.apiserver.authentication.objects import NAMESPACES, PODS, GroupResource

Object = dict[str, Any]
# Where each kind that makes pods keeps what it makes them of.
_TEMPLATES: dict[GroupResource, tuple[str, ...]] = {
    ("", "podtemplates"): ("template",),
    ("", "replicationcontrollers"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
}


class PodSecurity(Plugin):
    """The Pod Security Standards by the labels of namespaces (pod-security.kubernetes.io/enforce, warn)."""

    name = "PodSecurity"
    resources = frozenset((PODS, NAMESPACES, *_TEMPLATES))
    operations = frozenset((CREATE, UPDATE))
    subresources = frozenset(("", "ephemeralcontainers"))
    caches = (NAMESPACES,)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Raise ApiError for a pod that the namespace's level forbids, or for labels that mean nothing."""
        if attrs.resource_info.key == NAMESPACES:
            self._check_labels(attrs)
            return
        namespace = self.store.cached_get(NAMESPACES, "", attrs.namespace) or {}
        labels = (namespace.get("metadata") or {}).get("labels") or {}
        standards = standards_of(labels)
        if all(each.level is Level.privileged for each in standards.values()):
            return
        if attrs.resource_info.key == PODS:
            self._check_pod(attrs, standards)
        elif (template := _template(attrs)) is not None:
            self._warn(attrs, standards, template)

    def _check_pod(self, attrs: AdmissionAttributes, standards: dict[str, Any]) -> None:
        pod = attrs.obj or {}
        if attrs.old_obj is not None and not _differs(pod, attrs.old_obj):
            return
        if found := standards["enforce"].violations(pod):
            raise forbid(attrs, f'violates PodSecurity "{standards["enforce"]}": {said(found)}')
        self._warn(attrs, standards, pod)

    @staticmethod
    def _warn(attrs: AdmissionAttributes, standards: dict[str, Any], pod: Object) -> None:
        if found := standards["warn"].violations(pod):
            attrs.warnings.append(f'would violate PodSecurity "{standards["warn"]}": {said(found)}')

    @staticmethod
    def _check_labels(attrs: AdmissionAttributes) -> None:
        def labels(obj: Object | None) -> Object:
            return ((obj or {}).get("metadata") or {}).get("labels") or {}

        wrong = [each for each in label_errors(labels(attrs.obj)) if labels(attrs.old_obj).get(each[0]) != each[1]]
        if wrong:
            causes = [
                {"reason": "FieldValueInvalid", "field": f"metadata.labels[{label}]",
                 "message": f'Invalid value: "{value}": {why}'}
                for label, value, why in wrong
            ]  # fmt: skip
            raise errors.invalid("Namespace", attrs.name, causes)


def _template(attrs: AdmissionAttributes) -> Object | None:
    found: Any = attrs.obj
    for field in _TEMPLATES[attrs.resource_info.key]:
        found = (found or {}).get(field)
    return found if isinstance(found, dict) else None


def _differs(pod: Object, old: Object) -> bool:
    """Whether an update changes what the standards look at: of a pod that runs, its images and ephemeral containers."""

    def seen(obj: Object) -> list[tuple[str, str]]:
        return [(each["name"], each.get("image", "")) for each in containers(obj.get("spec") or {})]

    return seen(pod) != seen(old)
