"""Bodies that do not say what they are about."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.fieldmanager.updates import checked_manager
from kprov.kube.apiserver.handlers.bodies import check_named
from kprov.kube.apiserver.handlers.list_options import check_list
from kprov.kube.apiserver.handlers.pods import _check_preconditions
from kprov.kube.apiserver.handlers.scale import _check_kind
from kprov.kube.apiserver.strategy.pod_updates import validate_pod_status_update

POD: dict[str, Any] = {"metadata": {"name": "web", "uid": "u", "resourceVersion": "7"}}


@pytest.mark.parametrize("body", [{}, {"metadata": {}}, {"metadata": {"name": ""}}, {"metadata": None}])
def test_what_replaces_an_object_names_it(body: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="name must be provided"):
        check_named(body, "web")
    check_named(POD, "web")


@pytest.mark.parametrize("wanted", [{"uid": "v"}, {"resourceVersion": "6"}, {"uid": "u", "resourceVersion": "6"}])
def test_an_eviction_of_another_pod_of_the_name_is_a_conflict(wanted: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="in the precondition") as raised:
        _check_preconditions(wanted, POD)
    assert raised.value.code == 409
    _check_preconditions({"uid": "u", "resourceVersion": "7"}, POD)
    _check_preconditions({}, POD)


@pytest.mark.parametrize("body", [{"kind": "Pod"}, {"kind": "Scale", "apiVersion": "v1"}])
def test_a_scale_is_a_scale(body: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="expected a Scale"):
        _check_kind(body)
    _check_kind({"kind": "Scale", "apiVersion": "autoscaling/v1"})
    _check_kind({"spec": {"replicas": 1}})


@pytest.mark.parametrize(("name", "said"), [("a" * 129, "Too long"), ("a\x07", "printable characters")])
def test_managers_have_names_that_can_be_kept(name: str, said: str) -> None:
    with pytest.raises(ApiError, match=said) as raised:
        checked_manager(name, "POST")
    assert raised.value.code == 422 and raised.value.message.startswith("CreateOptions.meta.k8s.io")
    assert checked_manager("a" * 128, "POST") == "a" * 128


@pytest.mark.parametrize(
    "status",
    [{"conditions": [{"status": "True"}]}, {"conditions": [{"type": "a b"}]}, {"containerStatuses": [{"ready": True}]}],
)
def test_what_a_pod_tells_of_itself_has_a_name(status: dict[str, Any]) -> None:
    pod = {**POD, "spec": {"restartPolicy": "Always"}}
    assert validate_pod_status_update({**pod, "status": status}, pod)
    assert not validate_pod_status_update({**pod, "status": {"conditions": [{"type": "example.com/Gate"}]}}, pod)


@pytest.mark.parametrize(("match", "version"), [("Odd", "1"), ("Exact", ""), ("NotOlderThan", ""), ("Exact", "0")])
def test_lists_of_a_revision_that_make_no_sense(match: str, version: str) -> None:
    def check(match: str, version: str) -> None:
        request: Any = SimpleNamespace(query={"resourceVersionMatch": match, "resourceVersion": version})
        check_list(request)

    with pytest.raises(ApiError, match="resourceVersionMatch") as raised:
        check(match, version)
    assert raised.value.code == 422
    check("Exact", "5")
    check("NotOlderThan", "0")
