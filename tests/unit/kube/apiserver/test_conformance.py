"""Objects held against their types."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.handlers.conformance import conform
from kprov.kube.apiserver.query import number
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


@pytest.mark.parametrize(
    "time", ["now", "", "2024-02-30T00:00:00Z", "2024-01-01", "2024-01-01T00:00:00", "²024-01-01T00:00:00Z"]
)
def test_what_is_no_time_is_refused(time: str) -> None:
    pod = _pod({})
    pod["metadata"]["creationTimestamp"] = time
    with pytest.raises(ApiError, match="parsing time") as refused:
        conform(pod, POD, "v1", "", [])
    assert refused.value.code == 400


@pytest.mark.parametrize(
    "time", ["2024-02-29T23:59:59Z", "0001-01-01T00:00:00Z", "2024-01-01T00:00:00.123456789+02:00", None]
)
def test_times_are_taken(time: str | None) -> None:
    pod = _pod({})
    pod["metadata"]["creationTimestamp"] = time
    assert conform(pod, POD, "v1", "", [])["metadata"].get("creationTimestamp") == time


def test_what_is_as_it_was_is_not_looked_at_again_and_not_shared() -> None:
    known = _pod({"containers": [{"name": "c", "image": "i"}], "ofOldTimes": 1})
    pod = {**_pod({}), "spec": known["spec"]}
    found = conform(pod, POD, "v1", "Strict", [], known=known)
    assert found["spec"] == known["spec"] and list(found) == ["kind", "apiVersion", "metadata", "spec"]
    found["spec"]["containers"][0]["image"] = "other"
    assert known["spec"]["containers"][0]["image"] == "i"
    with pytest.raises(ApiError, match="ofOldTimes"):
        conform({**pod, "spec": {**pod["spec"], "hostname": "h"}}, POD, "v1", "Strict", [], known=known)


@pytest.mark.parametrize(("text", "value"), [("", 0), ("5", 5), ("-1", -1), ("9223372036854775807", (1 << 63) - 1)])
def test_numbers_of_queries(text: str, value: int) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["x", "1_0", "²", "٣", "1.5", " 1", "9223372036854775808", "9" * 5000, "-", "+-1"])
def test_what_is_no_number_of_a_query_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="ParseInt") as refused:
        number(text)
    assert refused.value.code == 400


def test_every_stored_kind_has_a_type() -> None:
    from kprov.kube.apiserver.handlers.conformance import _SCHEMAS
    from kprov.kube.apiserver.protobuf.table import message_of

    for info in RESOURCES.values():
        if info.storage_prefix and (info.group, info.plural, info.versions[0]) not in _SCHEMAS:
            assert message_of(info.group, info.versions[0], info.kind), info.group_resource


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"priority": 1 << 31}, "number 2147483648 into Go struct field spec.priority of type int32"),
        ({"priority": -(1 << 31) - 1}, "of type int32"),
        ({"activeDeadlineSeconds": 1 << 63}, "of type int64"),
        ({"containers": [{"name": "c", "livenessProbe": {"httpGet": {"port": 1 << 31}}}]}, "of type int32"),
    ],
)
def test_numbers_that_no_client_could_read_are_refused(spec: Any, said: str) -> None:
    with pytest.raises(ApiError, match="json: cannot unmarshal") as refused:
        conform(_pod(spec), POD, "v1", "", [])
    assert refused.value.code == 400 and said in refused.value.message


def test_numbers_as_large_as_they_may_be() -> None:
    spec = {"priority": (1 << 31) - 1, "activeDeadlineSeconds": (1 << 63) - 1}
    assert conform(_pod(spec), POD, "v1", "", [])["spec"] == spec
