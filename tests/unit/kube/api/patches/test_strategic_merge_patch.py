"""Strategic merge patches: each row is an object, a patch, and what upstream makes of them."""

from __future__ import annotations

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
        _pod(containers=[{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}]),
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
    "a map is deleted on demand": (
        _pod(securityContext={"runAsUser": 1}, hostname="h"),
        {"spec": {"securityContext": {"$patch": "delete"}}},
        _pod(hostname="h"),
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
    "spec",
    [
        {"$retainKeys": None},
        {"$setElementOrder/containers": None, "containers": []},
        {"containers": [1, {"$patch": "replace"}]},
    ],
)
def test_odd_patches_are_applied(spec: dict[str, Any]) -> None:
    apply_strategic_merge_patch({"spec": {"containers": [{"name": "a"}]}}, {"spec": spec}, "/v1/Pod")


@pytest.mark.parametrize(
    "spec",
    [
        {"$retainKeys": 5},
        {"$retainKeys": "text"},
        {"$setElementOrder/containers": "a", "containers": []},
        {"$deleteFromPrimitiveList/finalizers": {}, "finalizers": []},
    ],
)
def test_directives_that_are_no_lists_are_refused(spec: dict[str, Any]) -> None:
    patch = {"spec": spec} if "finalizers" not in spec else {"metadata": spec}
    obj = {"metadata": {"finalizers": ["a"]}, "spec": {"containers": [{"name": "a"}]}}
    with pytest.raises(PatchError, match="is a list"):
        apply_strategic_merge_patch(obj, patch, "/v1/Pod")
