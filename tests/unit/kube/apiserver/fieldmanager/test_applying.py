"""Who manages what after creates, updates and applies; what is a conflict."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.fieldmanager import Apply, record_update
from kprov.kube.apiserver.fieldmanager.apply import LAST_APPLIED
from kprov.kube.apiserver.fieldmanager.merging import merge
from kprov.kube.apiserver.fieldmanager.shapes import of_schema
from kprov.kube.apiserver.resources import RESOURCES

INFO = RESOURCES["", "configmaps"]
DEPLOYMENTS = RESOURCES["apps", "deployments"]


def config(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": data}


def applied(live: dict[str, Any] | None, manager: str, *, force: bool = False, **data: str) -> dict[str, Any]:
    change = Apply(INFO, "v1", config(**data), manager=manager, force=force)
    return change.to_new() if live is None else change.to(live)


def owned(obj: dict[str, Any]) -> dict[str, set[str]]:
    """Which keys of data each manager has."""
    found = {}
    for entry in obj["metadata"].get("managedFields", ()):
        name = f"{entry['manager']}/{entry['operation']}"
        found[name] = {key[2:] for key in entry["fieldsV1"].get("f:data", {}) if key != "."}
    return found


def updated(live: dict[str, Any], manager: str, **data: str) -> dict[str, Any]:
    new = copy.deepcopy(live)
    new["data"] = data
    record_update(new, live, INFO, manager=manager, version="v1")
    return new


def test_two_managers_apply_side_by_side() -> None:
    first = applied(None, "one", a="1")
    both = applied(first, "two", b="2")
    assert both["data"] == {"a": "1", "b": "2"}
    assert owned(both) == {"one/Apply": {"a"}, "two/Apply": {"b"}}


def test_what_is_left_out_goes_unless_another_manages_it_too() -> None:
    shared = applied(applied(None, "one", a="1", b="2"), "two", b="2")
    assert owned(shared) == {"one/Apply": {"a", "b"}, "two/Apply": {"b"}}
    less = applied(shared, "one", c="3")
    assert less["data"] == {"b": "2", "c": "3"}
    assert owned(less) == {"one/Apply": {"c"}, "two/Apply": {"b"}}


def test_a_conflict_names_the_manager_and_the_field() -> None:
    live = applied(None, "one", a="1")
    with pytest.raises(ApiError) as caught:
        applied(live, "two", a="2")
    assert caught.value.code == 409
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert caught.value.status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}
    ]
    taken = applied(live, "two", force=True, a="2")
    assert taken["data"] == {"a": "2"}
    assert owned(taken) == {"two/Apply": {"a"}}


def test_an_update_takes_what_it_changes_and_drops_what_it_removes() -> None:
    live = applied(None, "one", a="1", b="2", c="3")
    new = updated(live, "editor", a="9", b="2")
    assert owned(new) == {"one/Apply": {"b"}, "editor/Update": {"a"}}


def test_the_same_again_changes_nothing() -> None:
    live = applied(None, "one", a="1")
    live["metadata"]["managedFields"][0]["time"] = "2020-01-01T00:00:00Z"
    assert applied(live, "one", a="1") == live
    new = copy.deepcopy(live)
    record_update(new, live, INFO, manager="editor", version="v1")
    assert new == live


def test_an_object_without_managers_has_one_before_its_first_apply() -> None:
    live = config(a="1")
    with pytest.raises(ApiError, match="before-first-apply"):
        applied(live, "one", a="2")
    assert owned(applied(live, "one", b="2")) == {"before-first-apply/Update": {"a"}, "one/Apply": {"b"}}


def test_kubectl_goes_over_from_applying_by_itself() -> None:
    live = config(a="1")
    live["metadata"]["annotations"] = {LAST_APPLIED: '{"data":{"a":"1"},"metadata":{"name":"c","namespace":"n"}}'}
    record_update(live, None, INFO, manager="kubectl-client-side-apply", version="v1")
    with pytest.raises(ApiError):
        applied(live, "another", a="2")
    new = applied(live, "kubectl", a="2")
    assert new["data"] == {"a": "2"}
    assert '"a":"2"' in new["metadata"]["annotations"][LAST_APPLIED]


def test_a_client_may_start_the_managers_anew() -> None:
    live = applied(None, "one", a="1")
    new = copy.deepcopy(live)
    new["metadata"]["managedFields"] = [{}]
    record_update(new, live, INFO, manager="editor", version="v1")
    assert "managedFields" not in new["metadata"]


def test_the_oldest_of_many_updates_share_a_name() -> None:
    live = config()
    for number in range(13):
        live = updated(live, f"m{number:02}", **{**live["data"], f"k{number}": "v"})
    found = owned(live)
    assert len(found) == 11
    assert found["ancient-changes/Update"] >= {"k0", "k1"}
    assert set().union(*found.values()) == {f"k{number}" for number in range(13)}


def test_status_is_not_owned_through_the_object_nor_spec_through_the_status() -> None:
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "n"},
        "spec": {"replicas": 2},
        "status": {"replicas": 1},
    }
    whole = Apply(DEPLOYMENTS, "v1", body, manager="m", force=False).to_new()
    assert [set(entry["fieldsV1"]) for entry in whole["metadata"]["managedFields"]] == [{"f:spec"}]
    live = {**body, "metadata": {**body["metadata"]}}  # type: ignore[dict-item]
    through = Apply(DEPLOYMENTS, "v1", body, manager="m", force=True, subresource="status").to(live)
    rows = {entry.get("subresource", ""): set(entry["fieldsV1"]) for entry in through["metadata"]["managedFields"]}
    assert rows["status"] == {"f:status"}


def test_a_key_that_an_item_leaves_out_has_its_schemas_default() -> None:
    shape = of_schema(
        {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "zone"],
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "zone": {"type": "string", "default": "here"}},
            },
        }
    )
    live = [{"name": "a", "zone": "here", "size": 1}]
    assert merge(live, [{"name": "a", "size": 2}], shape) == [{"name": "a", "zone": "here", "size": 2}]
    assert len(merge(live, [{"name": "a", "zone": "there"}], shape)) == 2
