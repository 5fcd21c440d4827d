"""Strategic merge patches: each row is an object, a patch, and what upstream makes of them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kprov.kube.api.patches import PatchError, apply_strategic_merge_patch


def _pod(**spec: Any) -> dict[str, Any]:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "containers merge by name": (
        _pod(containers=[{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]),
        {"spec": {"containers": [{"name": "b", "image": "3"}, {"name": "c"}]}},
        _pod(containers=[{"name": "a", "image": "1"}, {"name": "b", "image": "3"}, {"name": "c"}]),
    ),
    "lists inside merged elements merge too": (
        _pod(containers=[{"name": "a", "env": [{"name": "X", "value": "1"}]}]),
        {"spec": {"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}]}},
        _pod(containers=[{"name": "a", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]}]),
    ),
    "what is new comes first, and the patch's order before the object's": (
        _pod(containers=[{"name": "a"}, {"name": "b"}, {"name": "c"}]),
        {"spec": {"containers": [{"name": "new"}, {"name": "c"}, {"name": "a"}]}},
        _pod(containers=[{"name": "new"}, {"name": "b"}, {"name": "c"}, {"name": "a"}]),
    ),
    "what was not there is taken without nulls and directives": (
        _pod(),
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "a"}],
                "containers": [{"name": "a", "tty": None, "env": [{"$patch": "replace"}, {"name": "X"}]}],
                "affinity": {"$patch": "delete"},
                "dnsConfig": {"$retainKeys": ["options"], "options": [{"value": "x"}]},
            }
        },
        _pod(containers=[{"name": "a", "env": [{"name": "X"}]}], dnsConfig={"options": [{"value": "x"}]}),
    ),
    "an element needs no key where there is no list to merge it into": (
        _pod(),
        {"spec": {"imagePullSecrets": [{}]}},
        _pod(imagePullSecrets=[{}]),
    ),
    "an order alone sorts": (
        _pod(containers=[{"name": "a"}, {"name": "b"}]),
        {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}},
        _pod(containers=[{"name": "b"}, {"name": "a"}]),
    ),
    "null goes with any retained keys": (
        _pod(volumes=[{"name": "v", "emptyDir": {}}]),
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "emptyDir": None, "secret": {}}]}},
        _pod(volumes=[{"name": "v", "secret": {}}]),
    ),
    "another type replaces": (
        _pod(hostname="h", containers=[{"name": "a"}]),
        {"spec": {"hostname": {"a": 1, "b": None}, "containers": "x"}},
        _pod(hostname={"a": 1}, containers="x"),
    ),
    "a list without a merge key is replaced": (
        _pod(tolerations=[{"key": "a"}], containers=[]),
        {"spec": {"tolerations": [{"key": "b"}]}},
        _pod(tolerations=[{"key": "b"}], containers=[]),
    ),
    "an element is deleted by its key": (
        _pod(containers=[{"name": "a"}, {"name": "b"}]),
        {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}},
        _pod(containers=[{"name": "b"}]),
    ),
    "a list is replaced on demand": (
        _pod(containers=[{"name": "a"}, {"name": "b"}]),
        {"spec": {"containers": [{"$patch": "replace"}, {"name": "c"}]}},
        _pod(containers=[{"name": "c"}]),
    ),
    "a map is replaced on demand": (
        _pod(securityContext={"runAsUser": 1, "fsGroup": 2}),
        {"spec": {"securityContext": {"$patch": "replace", "fsGroup": 3}}},
        _pod(securityContext={"fsGroup": 3}),
    ),
    "a map is emptied on demand": (
        _pod(securityContext={"runAsUser": 1}, hostname="h"),
        {"spec": {"securityContext": {"$patch": "delete"}}},
        _pod(securityContext={}, hostname="h"),
    ),
    "null removes": (_pod(hostname="h", subdomain="s"), {"spec": {"hostname": None}}, _pod(subdomain="s")),
    "the order that the client knows wins": (
        _pod(containers=[{"name": "a"}, {"name": "b"}, {"name": "server-only"}]),
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                "containers": [{"name": "b", "image": "x"}],
            }
        },
        _pod(containers=[{"name": "b", "image": "x"}, {"name": "a"}, {"name": "server-only"}]),
    ),
    "plain values of a merging list are joined": (
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "finalizers": ["a"]}},
        {"metadata": {"finalizers": ["a", "b"]}},
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "finalizers": ["a", "b"]}},
    ),
    "plain values are deleted by a directive": (
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "finalizers": ["a", "b"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "finalizers": ["b"]}},
    ),
    "retained keys drop the others": (
        _pod(volumes=[{"name": "v", "emptyDir": {}}]),
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}},
        _pod(volumes=[{"name": "v", "hostPath": {"path": "/x"}}]),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_patch(case: str) -> None:
    obj, patch, wanted = CASES[case]
    assert apply_strategic_merge_patch(obj, patch, "/v1/Pod") == wanted


def test_the_object_itself_is_left_alone() -> None:
    obj = _pod(containers=[{"name": "a", "image": "1"}])
    apply_strategic_merge_patch(obj, {"spec": {"containers": [{"name": "a", "image": "2"}]}}, "/v1/Pod")
    assert obj == _pod(containers=[{"name": "a", "image": "1"}])


def test_an_element_without_its_key_is_refused() -> None:
    with pytest.raises(PatchError, match="merge key: name"):
        apply_strategic_merge_patch(_pod(containers=[]), {"spec": {"containers": [{"image": "x"}]}}, "/v1/Pod")


def test_kinds_of_other_groups_are_known() -> None:
    deployment = {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "1"}]}}}}
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "a", "tty": True}]}}}}
    patched = apply_strategic_merge_patch(deployment, patch, "apps/v1/Deployment")
    assert patched["spec"]["template"]["spec"]["containers"] == [{"name": "a", "image": "1", "tty": True}]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"$retainKeys": None}, "format of retainKeys"),
        ({"$retainKeys": 5}, "format of retainKeys"),
        ({"$retainKeys": "text"}, "format of retainKeys"),
        ({"$retainKeys": ["containers"], "hostname": "h"}, "format of retainKeys"),
        ({"$setElementOrder/containers": None, "containers": []}, "format of setElementOrder"),
        ({"$setElementOrder/containers": "a", "containers": []}, "format of setElementOrder"),
        ({"$setElementOrder": []}, "format of setElementOrder"),
        ({"$setElementOrder/containers": ["a"], "containers": [{"name": "a"}]}, "holds objects"),
        (
            {
                "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                "containers": [{"name": "a"}, {"name": "b"}],
            },
            "the order in patch list",
        ),
        ({"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a"}]}, "the order in patch list"),
        ({"containers": [1, {"$patch": "replace"}]}, "not identical"),
        ({"containers": [[]]}, "lists of lists"),
        ({"containers": [{"name": "a", "$patch": "merge"}]}, "cannot yet be specified"),
        (
            {"containers": [{"name": "a", "$patch": "odd"}]},
            r"unknown patch type: odd in map: map\[\$patch:odd name:a\]",
        ),
        ({"containers": [{"$patch": "delete"}]}, "does not contain declared merge key: name"),
        ({"$patch": "merge"}, "unknown patch type: merge"),
        ({"$deleteFromPrimitiveList/containers": {}}, "format of primitive list"),
        ({"$deleteFromPrimitiveList/containers": None}, "format of primitive list"),
    ],
)
def test_patches_that_make_no_sense_are_refused(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(PatchError, match=said):
        apply_strategic_merge_patch({"spec": {"containers": [{"name": "a"}]}}, {"spec": spec}, "/v1/Pod")


def test_long_lists_take_no_longer_than_they_are_long() -> None:
    many = [{"name": f"v{number}"} for number in range(20_000)]
    obj, patch = _pod(volumes=many), {"spec": {"volumes": many[::-1], "$setElementOrder/volumes": many[::-1]}}
    began = time.process_time()
    patched = apply_strategic_merge_patch(obj, patch, "/v1/Pod")
    assert patched["spec"]["volumes"] == many[::-1]
    assert time.process_time() - began < 5  # compared each with each, it would be a minute
