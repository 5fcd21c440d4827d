"""What may be in an object's metadata, and what may change there."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.apiserver.handlers import metadata
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.strategy import strategy_of

CONFIG_MAPS, LEASES = RESOURCES["", "configmaps"], RESOURCES["coordination.k8s.io", "leases"]
MADE = "2020-01-01T00:00:00Z"
STORED = {"name": "x", "namespace": "n", "uid": "u", "resourceVersion": "5", "creationTimestamp": MADE}


def obj(**fields: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x", "namespace": "n", **fields}}


def complaints(info: Any = CONFIG_MAPS, **fields: Any) -> list[str]:
    return [each.message for each in metadata.errors_of(obj(**fields), info, strategy_of(info.group, info.plural))]


def changed(kept: dict[str, Any], **fields: Any) -> tuple[dict[str, Any], list[str]]:
    new = obj(**fields)
    metadata.keep_for_update(new, {"metadata": kept})
    return new["metadata"], [each.message for each in metadata.update_errors(new, {"metadata": kept})]


@pytest.mark.parametrize("good", [["kubernetes"], ["orphan"], ["foregroundDeletion"], ["example.org/mine"], []])
def test_finalizers_of_a_domain_or_the_systems_own(good: list[str]) -> None:
    assert complaints(finalizers=good) == []


def test_a_finalizer_without_a_domain_is_for_kinds_outside_the_core() -> None:
    said = 'metadata.finalizers[1]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully'
    assert [each.startswith(said) for each in complaints(finalizers=["a.b/c", "mine"])] == [True]
    assert complaints(LEASES, finalizers=["mine"]) == []


def test_finalizers_that_are_no_names() -> None:
    assert "name part must consist of" in complaints(LEASES, finalizers=["-x-"])[0]
    (both,) = complaints(finalizers=["orphan", "foregroundDeletion"])
    assert both.endswith("finalizer orphan and foregroundDeletion cannot be both set")


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        ({"apiVersion": "v1", "kind": "Event"}, "/v1, Kind=Event is disallowed from being an owner"),
        ({"apiVersion": "a/b/c", "kind": "X"}, 'ownerReferences.apiVersion: Invalid value: "a/b/c": version must not'),
        ({"kind": "X"}, "version must not be empty"),
        ({"apiVersion": "apps/v1"}, "kind must not be empty"),
    ],
)
def test_owners(owner: dict[str, str], said: str) -> None:
    (told,) = complaints(ownerReferences=[{"name": "o", "uid": "u", **owner}])
    assert said in told


def test_what_names_are_made_of_is_looked_at_too() -> None:
    assert complaints(generateName="x-") == []
    assert complaints(generateName="A_B")[0].startswith('metadata.generateName: Invalid value: "A_B"')


def test_keys_have_a_prefix_that_is_a_domain() -> None:
    assert "prefix part a lowercase RFC 1123 subdomain" in complaints(labels={"A_b/c": "d"})[0]
    assert complaints(annotations={"example.org/C": "any thing"}) == []


def test_what_only_the_server_decides() -> None:
    new, wrong = changed(STORED, creationTimestamp="2021-01-01T00:00:00Z", generation=7, generateName="other-")
    assert wrong == [] and new["uid"] == "u" and new["creationTimestamp"] == MADE
    assert "generation" not in new and new["generateName"] == "other-"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"uid": "other"}, 'metadata.uid: Invalid value: "other": field is immutable'),
        (
            {"deletionTimestamp": "2020-01-01T02:00:00+01:00"},
            "metadata.deletionTimestamp: Invalid value: 2020-01-01 01:00:00 +0000 UTC: field is immutable",
        ),
        (
            {"deletionGracePeriodSeconds": 5},
            "metadata.deletionGracePeriodSeconds: Invalid value: 5: field is immutable",
        ),
    ],
)
def test_nobody_deletes_by_an_update(fields: dict[str, Any], said: str) -> None:
    assert changed(STORED, **fields)[1] == [said]


def test_an_update_takes_no_deletion_back() -> None:
    going = {**STORED, "deletionTimestamp": "2022-02-02T00:00:00Z", "deletionGracePeriodSeconds": 30}
    new, wrong = changed(going, deletionTimestamp="2020-01-01T00:00:00Z")
    assert wrong == [] and new["deletionTimestamp"] == going["deletionTimestamp"]
    assert new["deletionGracePeriodSeconds"] == 30
    assert "deletionGracePeriodSeconds" in changed(going, deletionGracePeriodSeconds=1)[1][0]
