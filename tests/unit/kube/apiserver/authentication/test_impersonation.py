"""Acting as somebody else."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.authentication.impersonation import impersonate
from kprov.kube.apiserver.authorization.decision import Decision
from kprov.kube.apiserver.request import UserInfo

ADMIN = UserInfo("admin", groups=("system:masters", "system:authenticated"))


class Asked:
    """Allows all but one resource, and remembers what it was asked."""

    def __init__(self, refused=""):
        self.refused, self.questions = refused, []

    async def authorize(self, user, info):
        self.questions.append((info.verb, info.api_group, info.resource, info.subresource, info.namespace, info.name))
        return Decision(info.resource != self.refused)


@pytest.mark.parametrize(
    ("headers", "name", "groups"),
    [
        ([("Impersonate-User", "jane")], "jane", ("system:authenticated",)),
        (
            [("Impersonate-User", "jane"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")],
            "jane",
            ("a", "b", "system:authenticated"),
        ),
        (
            [("Impersonate-User", "system:serviceaccount:ns:app")],
            "system:serviceaccount:ns:app",
            ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"),
        ),
        ([("Impersonate-User", "system:anonymous")], "system:anonymous", ("system:unauthenticated",)),
        ([], "admin", ADMIN.groups),
        ([("Impersonate-User", "")], "admin", ADMIN.groups),
    ],
)
async def test_who_one_becomes(headers, name, groups):
    user = await impersonate(ADMIN, CIMultiDict(headers), Asked())
    assert (user.name, user.groups) == (name, groups)


async def test_every_header_is_a_question():
    asked = Asked()
    headers = CIMultiDict(
        [
            ("Impersonate-User", "jane"),
            ("Impersonate-Group", "dev"),
            ("Impersonate-Uid", "7"),
            ("Impersonate-Extra-acme.com%2Fproject", "x"),
        ]
    )
    user = await impersonate(ADMIN, headers, asked)
    assert asked.questions == [
        ("impersonate", "", "users", "", "", "jane"),
        ("impersonate", "", "groups", "", "", "dev"),
        ("impersonate", "authentication.k8s.io", "uids", "", "", "7"),
        ("impersonate", "authentication.k8s.io", "userextras", "acme.com/project", "", "x"),
    ]
    assert (user.uid, dict(user.extra)) == ("7", {"acme.com/project": ["x"]})


async def test_refusals():
    with pytest.raises(ApiError) as refused:
        await impersonate(ADMIN, CIMultiDict({"Impersonate-User": "jane"}), Asked("users"))
    assert refused.value.message == (
        'users "jane" is forbidden: User "admin" cannot impersonate resource "users" in API group "" '
        "at the cluster scope"
    )
    with pytest.raises(ApiError, match="without impersonating a user"):
        await impersonate(ADMIN, CIMultiDict({"Impersonate-Group": "dev"}), Asked())
