"""Objects held against their types."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.handlers.conformance import conform
from kprov.kube.apiserver.resources import RESOURCES

POD = RESOURCES["", "pods"]


def _pod(spec: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec, **more}


def test_unknown_fields_are_dropped_and_told() -> None:
    warnings: list[str] = []
    obj = conform(_pod({"containers": [{"name": "c", "imagee": "x"}]}, extra=1), POD, "v1", "Warn", warnings)
    assert obj["spec"] == {"containers": [{"name": "c"}]} and "extra" not in obj
    assert warnings == ['unknown field "spec.containers[0].imagee"', 'unknown field "extra"']


def test_strict_refuses_unknown_fields() -> None:
    with pytest.raises(ApiError) as refused:
        conform(_pod({"foo": 1}), POD, "v1", "Strict", [])
    assert refused.value.code == 400
    assert refused.value.message == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.foo"'
    )


def test_nulls_are_dropped() -> None:
    obj = conform(_pod({"containers": [{"name": "c", "env": None}], "hostname": None}), POD, "v1", "", [])
    assert obj["spec"] == {"containers": [{"name": "c"}]}


def test_inlined_fields_are_known() -> None:
    spec = {
        "volumes": [{"name": "v", "hostPath": {"path": "/x"}}],
        "containers": [{"name": "c", "livenessProbe": {"exec": {"command": ["x"]}, "periodSeconds": 3}}],
    }
    assert conform(_pod(spec), POD, "v1", "Strict", [])["spec"] == spec


def test_numbers_become_quantities() -> None:
    limits = {"limits": {"cpu": 2, "memory": "1Gi"}}
    obj = conform(_pod({"containers": [{"name": "c", "resources": limits}]}), POD, "v1", "Strict", [])
    assert obj["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "2", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"hostname": 5}, "cannot unmarshal number into Go struct field spec.hostname of type string"),
        ({"terminationGracePeriodSeconds": "5"}, "cannot unmarshal string"),
        ({"hostNetwork": "yes"}, "cannot unmarshal string"),
        ({"containers": {"name": "c"}}, "cannot unmarshal object"),
        ({"nodeSelector": []}, "cannot unmarshal array"),
        ("text", "cannot unmarshal string"),
    ],
)
def test_wrong_types_are_refused(spec: Any, said: str) -> None:
    with pytest.raises(ApiError, match=said) as refused:
        conform(_pod(spec), POD, "v1", "", [])
    assert refused.value.code == 400


def test_every_stored_kind_has_a_type() -> None:
    from kprov.kube.apiserver.handlers.conformance import _SCHEMAS
    from kprov.kube.apiserver.protobuf.table import message_of

    for info in RESOURCES.values():
        if info.storage_prefix and (info.group, info.plural, info.versions[0]) not in _SCHEMAS:
            assert message_of(info.group, info.versions[0], info.kind), info.group_resource
