"""What the API server serves now, by asking it: for controllers that act on every kind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError
from kprov.kube.api.kinds import Resource


@dataclass(frozen=True, slots=True)
class Served:
    """A kind that is served, and what can be done to it."""

    resource: Resource
    verbs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Discovery:
    """The kinds served, and the group versions that did not answer (an extension server that is down)."""

    served: tuple[Served, ...]
    failed: tuple[str, ...]

    def with_verbs(self, *verbs: str) -> list[Resource]:
        """The kinds that allow all these verbs."""
        return [entry.resource for entry in self.served if entry.verbs.issuperset(verbs)]


async def discover(client: ApiClient) -> Discovery:
    """Every kind in its group's preferred version; a kind that only an older version has comes from that one.

    Raises ApiError where the list of groups itself cannot be read.
    """
    group_list = await client.request("GET", "/apis")
    versions = [("", "v1", "/api/v1")]
    for group in group_list.get("groups") or ():
        preferred = (group.get("preferredVersion") or {}).get("version")
        names = sorted((v["version"] for v in group["versions"]), key=lambda name: name != preferred)
        versions += [(group["name"], name, f"/apis/{group['name']}/{name}") for name in names]

    async def read(path: str) -> Any:
        try:
            return await client.request("GET", path)
        except ApiError:
            return None

    answers = await asyncio.gather(*(read(path) for _, _, path in versions))
    served: dict[tuple[str, str], Served] = {}
    failed = []
    for (group, version, _), answer in zip(versions, answers, strict=True):
        if answer is None:
            failed.append(f"{group}/{version}" if group else version)
            continue
        for row in answer.get("resources") or ():
            if "/" in row["name"] or not row.get("verbs"):
                continue
            resource = Resource(group, version, row["name"], row["kind"], bool(row.get("namespaced")))
            served.setdefault((group, row["name"]), Served(resource, frozenset(row["verbs"])))
    return Discovery(tuple(served.values()), tuple(failed))
