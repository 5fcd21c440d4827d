"""Volumes whose content comes from the API: configMap, secret, downwardAPI, projected."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from kprov.kube.api import clock
from kprov.kube.kubelet.pods.fields import FieldError, field_value, resource_value
from kprov.kube.kubelet.volumes.atomic_writer import FileContent

Pod = dict[str, Any]
Payload = dict[str, FileContent]


class VolumeError(Exception):
    """A volume cannot be set up; the pod waits, and the message goes into a FailedMount event."""


class Tokens(Protocol):
    """Where service account tokens come from."""

    async def token(self, pod: Pod, audience: str, seconds: int) -> tuple[str, float]:
        """A token bound to the pod, and when, by the steady clock, to ask for a new one."""
        ...


class ContentSources:
    """Makes the files of a volume out of API objects."""

    def __init__(
        self,
        lookup: Callable[[str, str, str], Awaitable[dict[str, Any] | None]],
        tokens: Tokens,
        allocatable: Callable[[], dict[str, int]],
    ) -> None:
        """``lookup`` fetches a ConfigMap or Secret by kind, namespace and name."""
        self._lookup, self._tokens, self._allocatable = lookup, tokens, allocatable

    async def payload(self, pod: Pod, volume: dict[str, Any]) -> tuple[Payload, float | None]:
        """The files of a volume, and when they must be refreshed at the latest. Raises VolumeError."""
        if "configMap" in volume:
            source = volume["configMap"]
            mode = int(source.get("defaultMode", 0o644))
            return await self._object(pod, "ConfigMap", {**source, "name": source.get("name", "")}, mode), None
        if "secret" in volume:
            source = volume["secret"]
            reference = {**source, "name": source.get("secretName", "")}
            return await self._object(pod, "Secret", reference, int(source.get("defaultMode", 0o644))), None
        if "downwardAPI" in volume:
            source = volume["downwardAPI"]
            return self._downward(pod, source.get("items") or [], int(source.get("defaultMode", 0o644))), None
        return await self._projected(pod, volume["projected"])

    async def _projected(self, pod: Pod, projected: dict[str, Any]) -> tuple[Payload, float | None]:
        mode = int(projected.get("defaultMode", 0o644))
        files: Payload = {}
        refresh: float | None = None
        for source in projected.get("sources") or []:
            if "configMap" in source:
                files |= await self._object(pod, "ConfigMap", source["configMap"], mode)
            elif "secret" in source:
                files |= await self._object(pod, "Secret", source["secret"], mode)
            elif "downwardAPI" in source:
                files |= self._downward(pod, source["downwardAPI"].get("items") or [], mode)
            elif "serviceAccountToken" in source:
                wanted = source["serviceAccountToken"]
                token, until = await self._tokens.token(
                    pod, wanted.get("audience", ""), int(wanted.get("expirationSeconds") or 3600)
                )
                # readable by the user that the containers run as, and by nobody else
                user, token_mode = _token_owner(pod, mode)
                files[wanted["path"]] = FileContent(token.encode(), token_mode, user)
                refresh = until if refresh is None else min(refresh, until)
            else:
                raise VolumeError(f"projected source {next(iter(source), '?')} is not implemented by kprov")
        return files, refresh

    async def _object(self, pod: Pod, kind: str, reference: dict[str, Any], mode: int) -> Payload:
        namespace, name = pod["metadata"]["namespace"], reference.get("name", "")
        optional = bool(reference.get("optional"))
        content = await self._lookup(kind, namespace, name)
        if content is None:
            if optional:
                return {}
            raise VolumeError(f'{kind.lower()} "{name}" not found')
        data = {key: text.encode() for key, text in (content.get("data") or {}).items()}
        if kind == "Secret":
            data = {key: base64.b64decode(text) for key, text in (content.get("data") or {}).items()}
        data |= {key: base64.b64decode(text) for key, text in (content.get("binaryData") or {}).items()}
        items = reference.get("items")
        if not items:
            return {key: FileContent(value, mode) for key, value in data.items()}
        files: Payload = {}
        for item in items:
            if item["key"] not in data:
                if optional:
                    continue
                raise VolumeError(f"references non-existent {kind.lower()} key: {item['key']}")
            own = item.get("mode")
            files[item["path"]] = FileContent(data[item["key"]], mode if own is None else int(own))
        return files

    def _downward(self, pod: Pod, items: list[dict[str, Any]], mode: int) -> Payload:
        files: Payload = {}
        for item in items:
            try:
                if "fieldRef" in item:
                    text = field_value(pod, item["fieldRef"]["fieldPath"])
                else:
                    reference = item["resourceFieldRef"]
                    container: dict[str, Any] = next(
                        (each for each in pod["spec"]["containers"] if each["name"] == reference.get("containerName")),
                        {},
                    )
                    text = resource_value(container, reference, self._allocatable())
            except FieldError as error:
                raise VolumeError(str(error)) from None
            own = item.get("mode")
            files[item["path"]] = FileContent(text.encode(), mode if own is None else int(own))
        return files


def _token_owner(pod: Pod, mode: int) -> tuple[int | None, int]:
    shared = pod["spec"].get("securityContext") or {}
    if shared.get("fsGroup") is not None:
        return None, 0o640
    users = {
        (each.get("securityContext") or {}).get("runAsUser", shared.get("runAsUser"))
        for each in pod["spec"]["containers"]
    }
    if len(users) == 1 and (user := users.pop()) is not None:
        return int(user), 0o600
    return None, mode


class TokenCache:
    """Service account tokens by pod and audience, asked for anew before they end."""

    def __init__(self, request: Callable[[Pod, str, int], Awaitable[tuple[str, float]]]) -> None:
        """``request`` asks the API for a token and returns it with the seconds that it is good for."""
        self._request = request
        self._known: dict[tuple[str, str, int], tuple[str, float]] = {}

    async def token(self, pod: Pod, audience: str, seconds: int) -> tuple[str, float]:
        """See Tokens. A token is renewed at 80 % of its life, or after a day, whatever the machine's time does."""
        key = (pod["metadata"]["uid"], audience, seconds)
        known = self._known.get(key)
        if known and clock.steady() < known[1]:
            return known
        begun = clock.steady()
        try:
            token, life = await self._request(pod, audience, seconds)
        except Exception:
            if known and clock.steady() < known[1] + seconds * 0.1:
                return known[0], clock.steady() + 30  # still valid; the API may be back by then
            raise
        known = (token, begun + min(life * 0.8, 24 * 3600))
        self._known[key] = known
        return known

    def forget(self, uid: str) -> None:
        """Drop the tokens of a pod that is gone."""
        for key in [key for key in self._known if key[0] == uid]:
            del self._known[key]
