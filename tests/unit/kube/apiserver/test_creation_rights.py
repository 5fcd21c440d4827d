"""Replacing what is not there: it is created by who may, and changed where somebody else was faster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.authorization.decision import Decision
from kprov.kube.apiserver.handlers.creation_rights import replace_or_create
from kprov.kube.apiserver.request import RequestInfo, UserInfo, parse_request_info
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.storage.entry import Entry

INFO = RESOURCES["", "configmaps"]
REQUEST: Any = SimpleNamespace(
    user=UserInfo("eve"), info=parse_request_info("PATCH", "/api/v1/namespaces/n/configmaps/c", {})
)


class Shelf:
    """One object, or none."""

    def __init__(self, entry: Entry | None = None, *, faster: int = 0) -> None:
        self.entry, self.faster, self.asked = entry, faster, list[RequestInfo]()

    def parts(self, allowed: bool) -> Any:
        async def authorize(user: UserInfo, info: RequestInfo) -> Decision:
            self.asked.append(info)
            return Decision(allowed, "")

        return SimpleNamespace(authorizer=SimpleNamespace(authorize=authorize))

    async def replace(self) -> Entry:
        if self.entry is None:
            raise errors.not_found(INFO, "c")
        return self.entry

    async def create(self) -> Entry:
        made = Entry("n/c", 1, b"{}", 0)
        if self.faster:
            self.faster -= 1
            self.entry = made if not self.faster else None
            raise errors.already_exists(INFO, "c")
        return made


async def test_who_may_only_patch_does_not_create() -> None:
    shelf = Shelf()
    with pytest.raises(ApiError) as refused:
        await replace_or_create(shelf.parts(False), REQUEST, shelf.replace, shelf.create)
    assert refused.value.code == 403
    assert 'User "eve" cannot create resource "configmaps" in API group "" in the namespace "n"' in str(refused.value)
    assert [(each.verb, each.name) for each in shelf.asked] == [("create", "c")]


async def test_what_is_there_is_changed_without_that_right() -> None:
    shelf = Shelf(Entry("n/c", 1, b"{}", 0))
    _, created = await replace_or_create(shelf.parts(False), REQUEST, shelf.replace, shelf.create)
    assert not created and not shelf.asked


async def test_who_comes_second_changes_what_the_first_has_made() -> None:
    shelf = Shelf(faster=1)
    entry, created = await replace_or_create(shelf.parts(True), REQUEST, shelf.replace, shelf.create)
    assert not created and entry is shelf.entry


async def test_one_that_comes_and_goes_is_not_waited_for_without_end() -> None:
    shelf = Shelf(faster=100)
    with pytest.raises(ApiError, match="already exists"):
        await replace_or_create(shelf.parts(True), REQUEST, shelf.replace, shelf.create)
