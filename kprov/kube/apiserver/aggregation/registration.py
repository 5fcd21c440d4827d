"""Keeps an APIService for every group and version that this server serves itself, as upstream does.

Those of built-in groups are made at the start, once: who deletes one then has deleted it. Those of users' kinds come
and go with the kinds. An APIService without the label belongs to somebody else and is never touched, whatever it says.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.aggregation import priorities
from kprov.kube.apiserver.aggregation.api_service import API_SERVICES, GroupVersion, with_local_condition
from kprov.kube.apiserver.bootstrap.reconcile import complete_metadata
from kprov.kube.apiserver.resources import GROUPS
from kprov.kube.apiserver.resources.table import on_change
from kprov.kube.apiserver.storage.etcd import EtcdError, FateUnknown
from kprov.kube.apiserver.storage.hub import NotFreshInTime
from kprov.kube.apiserver.storage.store import Store

Object = dict[str, Any]

_log = logging.getLogger(__name__)
_LABEL = "kube-aggregator.kubernetes.io/automanaged"
_ON_START, _ALWAYS = "onstart", "true"
_OWN = "apiregistration.k8s.io"  # whose kind this is: it has no APIService, as upstream
_PAUSE = 0.5  # seconds before what failed is tried again


def _wanted() -> dict[str, Object]:
    """The APIService of every group and version that is served here, by name."""
    return {
        f"{version}.{group}": _api_service(group, version)
        for group, versions in GROUPS.items()
        for version in versions
        if group != _OWN
    }


def _api_service(group: str, version: str) -> Object:
    spec: Object = {"version": version, "groupPriorityMinimum": priorities.group_priority(group),
                    "versionPriority": priorities.version_priority(group, version)}  # fmt: skip
    if group:
        spec["group"] = group
    label = _ON_START if priorities.is_built_in(group) else _ALWAYS
    return {
        "kind": "APIService",
        "apiVersion": "apiregistration.k8s.io/v1",
        "metadata": {"name": f"{version}.{group}", "labels": {_LABEL: label}},
        "spec": spec,
        "status": with_local_condition({}),
    }


def _label(obj: Object) -> str:
    return str((obj["metadata"].get("labels") or {}).get(_LABEL, ""))


class Registration:
    """Keeps them.

    Args:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = asyncio.Event()
        on_change(self._changed.set)

    async def register(self) -> None:
        """What is made at the start. Raises ApiError or EtcdError: call again."""
        wanted = _wanted()
        known = {each["metadata"]["name"] for each in self._store.cached_list(API_SERVICES)}
        await asyncio.gather(*(self._settle(name, wanted.get(name), _ON_START) for name in known | set(wanted)))

    async def run(self) -> None:
        """Follow the users' kinds until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            wanted = _wanted()
            known = {each["metadata"]["name"] for each in self._store.cached_list(API_SERVICES)}
            try:
                for name in sorted(known | set(wanted)):
                    await self._settle(name, wanted.get(name), _ALWAYS)
            except (ApiError, EtcdError, FateUnknown, NotFreshInTime, TimeoutError) as error:
                _log.warning("the APIServices of this server's groups: %s; trying again", error)
                await asyncio.sleep(_PAUSE)
                self._changed.set()

    async def _settle(self, name: str, wanted: Object | None, label: str) -> None:
        """Make one as it shall be; ``label`` says of which sort it must be to be looked at."""
        present = self._store.cached_get(API_SERVICES, "", name)
        if label == _ALWAYS and wanted is None and present is not None and self._may_be_defined(present):
            return
        if present is None:
            if wanted is not None and (label == _ON_START or _label(wanted) == label):
                await self._create(wanted)
            return
        if _label(present) not in ((label, _ALWAYS) if label == _ON_START else (label,)):
            return
        if wanted is None:
            if _label(present) == label:
                await self._delete(present)
        elif present["spec"] != wanted["spec"]:
            await self._store.guaranteed_update(API_SERVICES, "", name, lambda now: _corrected(now, wanted))

    def _may_be_defined(self, present: Object) -> bool:
        """Whether another server serves it already, and this one has not heard of it yet."""
        spec = present["spec"]
        return any(
            each["spec"]["group"] == spec.get("group")
            and not each["metadata"].get("deletionTimestamp")
            and any(
                version["name"] == spec["version"] and version.get("served")
                for version in each["spec"].get("versions") or ()
            )
            for each in self._store.cached_list(("apiextensions.k8s.io", "customresourcedefinitions"))
        )

    async def _create(self, wanted: Object) -> None:
        try:
            await self._store.create(API_SERVICES, complete_metadata(wanted))
        except ApiError as error:
            if error.reason != "AlreadyExists":  # another server was faster
                raise

    async def _delete(self, present: Object) -> None:
        metadata = present["metadata"]
        try:
            await self._store.delete(API_SERVICES, "", metadata["name"], precondition_uid=metadata["uid"])
        except ApiError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise


def _corrected(present: Object, wanted: Object) -> Object | None:
    if not _label(present) or present["spec"] == wanted["spec"]:
        return None
    return {**present, "spec": wanted["spec"]}


def served_here(key: GroupVersion) -> bool:
    """Whether this server serves a group and version itself."""
    return key[1] in GROUPS.get(key[0], ())
