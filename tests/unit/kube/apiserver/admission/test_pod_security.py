"""What the Pod Security Standards forbid, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Surroundings
from kprov.kube.apiserver.admission.pod_security.levels import Level, Standard, said
from kprov.kube.apiserver.admission.pod_security.plugin import PodSecurity
from kprov.kube.apiserver.request import UserInfo
from kprov.kube.apiserver.resources import RESOURCES

HARD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(*contexts: dict[str, Any], **spec: Any) -> dict[str, Any]:
    listed = [{"name": name, "securityContext": each} for name, each in zip("abc", contexts, strict=False)]
    return {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": listed, **spec}}


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        (pod({}), ""),
        (pod(HARD), ""),
        (pod({"privileged": True}), 'privileged (container "a" must not set securityContext.privileged=true)'),
        (
            pod({"privileged": True}, {"privileged": True}),
            'privileged (containers "a", "b" must not set securityContext.privileged=true)',
        ),
        (
            pod({"capabilities": {"add": ["CHOWN", "SYS_ADMIN"]}}),
            'non-default capabilities (container "a" must not include "SYS_ADMIN" in securityContext.capabilities.add)',
        ),
        (pod({}, hostNetwork=True, hostPID=True), "host namespaces (hostNetwork=true, hostPID=true)"),
        (pod({}, volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
        (
            pod({"seccompProfile": {"type": "Unconfined"}}),
            'seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (
            pod({}, securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            pod({"procMount": "Unmasked"}),
            'procMount (container "a" must not set securityContext.procMount to "Unmasked")',
        ),
        (
            pod({"seLinuxOptions": {"type": "spc_t", "user": "u"}}),
            'seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: type "spc_t"; '
            "user may not be set)",
        ),
    ],
)
def test_baseline(obj: dict[str, Any], words: str) -> None:
    assert said(Standard(Level.baseline).violations(obj)) == words


def test_host_ports() -> None:
    obj = pod({})
    obj["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80}]
    assert said(Standard(Level.baseline).violations(obj)) == 'hostPort (container "a" uses hostPort 80)'


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        (pod(HARD), ""),
        (pod({key: HARD[key] for key in ("allowPrivilegeEscalation", "capabilities")}, securityContext=HARD), ""),
        (
            pod({}),
            'allowPrivilegeEscalation != false (container "a" must set '
            "securityContext.allowPrivilegeEscalation=false), "
            'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), '
            'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), '
            'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to '
            '"RuntimeDefault" or "Localhost")',
        ),
        (pod({**HARD, "runAsUser": 0}), 'runAsUser=0 (container "a" must not set runAsUser=0)'),
        (
            pod(HARD, volumes=[{"name": "v", "hostPath": {"path": "/"}}]),
            'restricted volume types (volume "v" uses restricted volume type "hostPath")',
        ),
        (
            pod({**HARD, "runAsNonRoot": False}),
            'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)',
        ),
    ],
)
def test_restricted(obj: dict[str, Any], words: str) -> None:
    assert said(Standard(Level.restricted).violations(obj)) == words


class Store:
    def __init__(self, **labels: str) -> None:
        self._labels = {f"pod-security.kubernetes.io/{mode}": level for mode, level in labels.items()}

    def cached_get(self, resource: object, namespace: str, name: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "labels": self._labels}}


def asked(group: str, plural: str, obj: dict[str, Any], **more: Any) -> AdmissionAttributes:
    return AdmissionAttributes(
        **{
            "user": UserInfo("a"),
            "operation": "CREATE",
            "resource_info": RESOURCES[group, plural],
            "namespace": "n",
            "name": "p",
            "obj": obj,
            **more,
        }
    )


def plugin(**labels: str) -> PodSecurity:
    return PodSecurity(Surroundings(Store(**labels), None, None, None))  # type: ignore[arg-type]


async def test_a_namespaces_level_is_enforced_on_pods_and_told_of_workloads() -> None:
    with pytest.raises(ApiError) as caught:
        await plugin(enforce="baseline").validate(asked("", "pods", pod({"privileged": True})))
    assert caught.value.code == 403
    assert 'pods "p" is forbidden: violates PodSecurity "baseline:latest": privileged (' in caught.value.message
    await plugin().validate(asked("", "pods", pod({"privileged": True})))
    deployment = asked("apps", "deployments", {"spec": {"template": pod({"privileged": True})}})
    await plugin(enforce="baseline", warn="baseline").validate(deployment)
    assert deployment.warnings[0].startswith('would violate PodSecurity "baseline:latest": privileged')


async def test_a_pod_that_runs_may_be_labelled() -> None:
    old = pod({"privileged": True})
    await plugin(enforce="baseline").validate(asked("", "pods", old, operation="UPDATE", old_obj=old))


async def test_labels_that_mean_nothing_are_refused() -> None:
    namespace = {"kind": "Namespace", "metadata": {"labels": {"pod-security.kubernetes.io/enforce": "strict"}}}
    with pytest.raises(ApiError, match="must be one of privileged, baseline, restricted"):
        await plugin().validate(asked("", "namespaces", namespace))
    await plugin(enforce="strict").validate(asked("", "pods", pod(HARD)))
    with pytest.raises(ApiError):
        await plugin(enforce="strict").validate(asked("", "pods", pod({})))
