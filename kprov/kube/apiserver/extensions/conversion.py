"""Objects of custom kinds from one version into another: by their definition's webhook, or by their apiVersion alone.

Everything between a client and storage happens in the version that the client speaks; objects are converted as they
come from storage and as they go there. What is compared in other versions meanwhile (fields that somebody manages) says
so by raising NotConverted, is converted, and is done again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.extensions.kinds import CustomKind
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.services.failures import CallFailed
from kprov.kube.apiserver.storage.entry import CacheEvent, Entry

if TYPE_CHECKING:  # a client of HTTP, which the builder of OpenAPI documents would load for nothing, each time
    from kprov.kube.apiserver.services.calling import Caller

Object = dict[str, Any]
Result = TypeVar("Result")

_SECONDS = 30.0
_AT_ONCE = 500  # objects in one question
_REMEMBERED = 64
_SPOKEN = ("v1", "v1beta1")
_KEPT = ("labels", "annotations")  # what of metadata a webhook may change


class NotConverted(Exception):
    """An object is needed in a version that its webhook has not been asked for."""

    def __init__(self, kind: CustomKind, version: str, obj: Object) -> None:
        super().__init__()
        self.kind, self.version, self.obj = kind, version, obj


def _memo_key(version: str, obj: Object) -> tuple[str, bytes]:
    return version, orjson.dumps(obj)


def converted(kind: CustomKind, version: str, obj: Object) -> Object:
    """An object in a version: itself where it is in it, or its kind has no webhook. Raises NotConverted."""
    api_version = kind.info.api_version(version)
    if "apiVersion" not in obj or obj["apiVersion"] == api_version:
        return obj
    if kind.webhook is None:
        return {**obj, "apiVersion": api_version}
    found = kind.memo.get(_memo_key(version, obj))
    if found is None:
        raise NotConverted(kind, version, obj)
    return found


class Conversion:
    """Converts.

    Args:
        caller: calls webhooks.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def objects(self, info: ResourceInfo, objects: Sequence[Object], version: str) -> list[Object]:
        """Objects of a kind in a version; those of built-in kinds as they are. Raises ApiError."""
        kind = kinds.find(*info.key)
        if kind is None:
            return list(objects)
        api_version = info.api_version(version)
        if kind.webhook is None:
            return [obj if obj["apiVersion"] == api_version else {**obj, "apiVersion": api_version} for obj in objects]
        out = list(objects)
        others = [index for index, obj in enumerate(objects) if obj["apiVersion"] != api_version]
        for start in range(0, len(others), _AT_ONCE):
            chosen = others[start : start + _AT_ONCE]
            answers = await self._ask(kind, [objects[index] for index in chosen], api_version)
            for index, answer in zip(chosen, answers, strict=True):
                out[index] = answer
        return out

    async def object(self, info: ResourceInfo, obj: Object, version: str) -> Object:
        """One object in a version. Raises ApiError."""
        if kinds.find(*info.key) is None:
            return obj
        return (await self.objects(info, [obj], version))[0]

    async def stored(self, info: ResourceInfo, obj: Object) -> Object:
        """An object as it is stored. Raises ApiError."""
        return await self.object(info, obj, info.storage_version)

    async def entries(self, info: ResourceInfo, entries: list[Entry], version: str) -> list[Entry]:
        """Entries with their objects in a version; as they are where no webhook is to be asked. Raises ApiError."""
        kind = kinds.find(*info.key)
        if kind is None or kind.webhook is None:
            return entries
        before = [entry.object() for entry in entries]
        after = await self.objects(info, before, version)
        return [
            entry if new is old else Entry(entry.key, entry.revision, orjson.dumps(new), 0)
            for entry, old, new in zip(entries, before, after, strict=True)
        ]

    async def entry(self, info: ResourceInfo, entry: Entry, version: str) -> Entry:
        """One entry, see ``entries``."""
        kind = kinds.find(*info.key)
        if kind is None or kind.webhook is None:
            return entry
        return (await self.entries(info, [entry], version))[0]

    async def events(self, info: ResourceInfo, events: list[CacheEvent], version: str) -> list[CacheEvent]:
        """Events with their entries in a version, see ``entries``."""
        kind = kinds.find(*info.key)
        if kind is None or kind.webhook is None or not events:
            return events
        both = [entry for each in events for entry in (each.current, each.previous) if entry is not None]
        found = dict(zip(map(id, both), await self.entries(info, both, version), strict=True))
        return [
            CacheEvent(each.type, each.revision, found[id(each.current)], each.previous and found[id(each.previous)])
            for each in events
        ]

    async def settled(self, work: Callable[[], Result]) -> Result:
        """The result of work that compares objects in versions, which is done again for each that was missing."""
        while True:
            try:
                return work()
            except NotConverted as missing:
                kind, version, obj = missing.kind, missing.version, missing.obj
            (new,) = await self._ask(kind, [obj], kind.info.api_version(version))
            if len(kind.memo) >= _REMEMBERED:
                kind.memo.clear()
            kind.memo[_memo_key(version, obj)] = new

    async def _ask(self, kind: CustomKind, objects: list[Object], api_version: str) -> list[Object]:
        failed = f"conversion webhook for {objects[0]['apiVersion']}, Kind={objects[0]['kind']}"
        webhook = kind.webhook or {}
        spoken = next((each for each in webhook.get("conversionReviewVersions") or () if each in _SPOKEN), None)
        if spoken is None:
            raise _failure("no supported conversion review versions")
        asked = {
            "kind": "ConversionReview",
            "apiVersion": f"apiextensions.k8s.io/{spoken}",
            "request": {"uid": str(uuid.uuid4()), "desiredAPIVersion": api_version, "objects": objects},
        }
        try:
            told = await self._caller.call(webhook.get("clientConfig") or {}, asked, _SECONDS)
            answers = _answers(asked, told)
        except CallFailed as error:
            raise _failure(f"{failed} failed: {error}") from None
        if len(answers) != len(objects):
            raise _failure(f"{failed} returned {len(answers)} objects, expected {len(objects)}")
        try:
            return [_checked(old, new, api_version) for old, new in zip(objects, answers, strict=True)]
        except _Unfit as error:
            raise _failure(f"{failed} returned {error}") from None


class _Unfit(Exception):
    """A webhook's object is not the one that it was asked about."""


def _failure(text: str) -> ApiError:
    return errors.make(500, "", text)


def _answers(asked: Object, told: Object) -> list[Any]:
    """The objects in a ConversionReview. Raises CallFailed where it holds none."""
    response = told.get("response")
    strict = asked["apiVersion"].endswith("/v1")
    if strict and (told.get("apiVersion"), told.get("kind")) != (asked["apiVersion"], "ConversionReview"):
        wanted, given = (
            f"{asked['apiVersion']}, Kind=ConversionReview",
            f"{told.get('apiVersion')}, Kind={told.get('kind')}",
        )
        raise CallFailed(f"expected webhook response of {wanted}, got {given}")
    if not isinstance(response, dict):
        raise CallFailed("no response provided")
    if strict and response.get("uid") != asked["request"]["uid"]:
        raise CallFailed(f'expected response.uid="{asked["request"]["uid"]}", got "{response.get("uid", "")}"')
    result = response.get("result")
    result = result if isinstance(result, dict) else {}
    if result.get("status") != "Success":
        text = f"response.result.status was '{result.get('status', '')}', not 'Success'"
        raise CallFailed(str(result.get("message") or text))
    found = response.get("convertedObjects")
    return found if isinstance(found, list) else []


def _checked(old: Object, new: Any, api_version: str) -> Object:
    """A webhook's object with all of its metadata but labels and annotations as it was. Raises _Unfit."""
    if not isinstance(new, dict):
        raise _Unfit("invalid object: it is no object")
    for name, word, wanted in (("apiVersion", "groupVersion", api_version), ("kind", "kind", old["kind"])):
        if new.get(name) != wanted:
            text = f"invalid {word} (expected {wanted}, received {new.get(name, '')})"
            raise _Unfit(f"invalid object at index 0: {text}")
    metadata, before = new.get("metadata"), old.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise _Unfit("invalid metadata: missing metadata in converted object")
    for name, word in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        if (metadata.get(name) or "") != (before.get(name) or ""):
            text = f"must have the same {word}: {before.get(name, '')} != {metadata.get(name, '')}"
            raise _Unfit(f"invalid object: {text}")
    kept = {name: value for name, value in before.items() if name not in _KEPT}
    for name in _KEPT:
        value = metadata.get(name)
        if value is None:
            continue
        if not isinstance(value, dict):
            raise _Unfit(
                f"invalid metadata: invalid metadata.{name} of type {type(value).__name__} in converted object"
            )
        if wrong := next((each for each in value.values() if not isinstance(each, str)), None):
            raise _Unfit(f"invalid metadata: metadata.{name} holds {wrong!r}, which is no string")
        kept[name] = value
    return {**new, "metadata": kept}
