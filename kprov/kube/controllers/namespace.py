"""Namespaces that are being deleted: empty them of every kind, then let them go."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import NAMESPACES, PODS, Resource
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.discovery import discover

Object = dict[str, Any]
FINALIZER = "kubernetes"
AFTER_A_POD = 0.5  # seconds; the pods that go meanwhile are seen together
# Seconds that a namespace stays whole after its deletion, as upstream's: other API servers hear of it and let nothing
# new in, what they let in before is seen here, and people see that it is terminating.
UNTIL_OTHERS_KNOW = 5.0

# (condition, reason and message while all is well)
_FINE = (
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    ("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
)


class Leftovers:
    """What one pass over a namespace found."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.finalizers: dict[str, int] = {}
        self.errors: list[str] = []
        self.undiscovered: tuple[str, ...] = ()
        self.longest_grace = 0

    def conditions(self, now: float) -> list[Object]:
        """The namespace's conditions."""
        said: dict[str, tuple[str, str]] = {}
        if self.undiscovered:
            said["NamespaceDeletionDiscoveryFailure"] = (
                "DiscoveryFailed",
                "Discovery failed for some groups, "
                + f"{len(self.undiscovered)} failing: unable to retrieve the complete "
                f"list of server APIs: {', '.join(self.undiscovered)}",
            )
        if self.errors:
            said["NamespaceDeletionContentFailure"] = (
                "ContentDeletionFailed",
                f"Failed to delete all resource types, {len(self.errors)} remaining: {', '.join(sorted(self.errors))}",
            )
        if self.counts:
            parts = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(self.counts.items()))
            said["NamespaceContentRemaining"] = ("SomeResourcesRemain", f"Some resources are remaining: {parts}")
        if self.finalizers:
            parts = ", ".join(
                f"{name} in {count} resource instances" for name, count in sorted(self.finalizers.items())
            )
            message = f"Some content in the namespace has finalizers remaining: {parts}"
            said["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", message)
        stamp = clock.format_time(now)
        result = []
        for kind, reason, message in _FINE:
            reason, message = said.get(kind, (reason, message))
            status = "True" if kind in said else "False"
            result.append(
                {"type": kind, "status": status, "lastTransitionTime": stamp, "reason": reason, "message": message}
            )
        return result


class NamespaceController(Controller):
    """Deletes a terminating namespace's content and takes its ``kubernetes`` finalizer off."""

    name = "namespace"
    account = "namespace-controller"
    workers = 5

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.namespaces = self.watch(
            NAMESPACES, on_add=self._enqueue_terminating, on_update=lambda _, new: self._enqueue_terminating(new)
        )

        self.watch(PODS, on_delete=self._pod_gone)

    def _pod_gone(self, pod: Object) -> None:
        """Look again soon: waiting for the pods' whole grace period would be waiting for nothing."""
        namespace = self.namespaces.get(pod["metadata"]["namespace"])
        if namespace is not None and namespace["metadata"].get("deletionTimestamp"):
            self.queue.add_after(namespace["metadata"]["name"], AFTER_A_POD)

    def _enqueue_terminating(self, namespace: Object) -> None:
        deleted = namespace["metadata"].get("deletionTimestamp")
        if deleted:
            since = clock.seconds() - clock.seconds_of(deleted)
            # A clock that differs from the API server's neither hurries this nor holds it up.
            pause = max(0.0, min(UNTIL_OTHERS_KNOW - since, UNTIL_OTHERS_KNOW))
            self.queue.add_after(namespace["metadata"]["name"], pause)

    async def reconcile(self, key: str) -> None:
        """One pass over a terminating namespace."""
        if self.namespaces.get(key) is None:
            return
        try:
            namespace = await self.client.get(NAMESPACES, key)
        except ApiError as error:
            if is_not_found(error):
                return
            raise
        if not namespace["metadata"].get("deletionTimestamp"):
            return
        finalizers = (namespace.get("spec") or {}).get("finalizers") or []
        if FINALIZER not in finalizers:
            return
        if (namespace.get("status") or {}).get("phase") != "Terminating":
            status = {**(namespace.get("status") or {}), "phase": "Terminating"}
            namespace = await self.client.update(NAMESPACES, {**namespace, "status": status}, subresource="status")
        left = await self._empty(key)
        await self._report(namespace, left)
        if left.counts or left.errors or left.undiscovered:
            # Pods that end in their grace period come off without us; the rest is looked at soon again.
            self.queue.add_after(key, min(left.longest_grace / 2 + 1, 15.0) if left.longest_grace else 1.0)
            return
        latest = await self.client.get(NAMESPACES, key)
        latest["spec"]["finalizers"] = [f for f in latest["spec"].get("finalizers") or () if f != FINALIZER]
        await self.client.update(NAMESPACES, latest, subresource="finalize")

    async def _empty(self, name: str) -> Leftovers:
        left = Leftovers()
        found = await discover(self.client)
        left.undiscovered = found.failed
        kinds = [entry for entry in found.served if entry.resource.namespaced and "delete" in entry.verbs]
        for entry in kinds:
            try:
                await self._empty_kind(name, entry.resource, entry.verbs, left)
            except ApiError as error:
                if not is_not_found(error) and error.code != 405:
                    left.errors.append(f"{entry.resource.group_resource}: {error.message}")
        return left

    async def _empty_kind(self, name: str, resource: Resource, verbs: frozenset[str], left: Leftovers) -> None:
        if "list" not in verbs:
            return
        items = (await self.client.list(resource, name)).get("items") or []
        if not items:
            return
        background = {"propagationPolicy": "Background"}
        if "deletecollection" in verbs:
            await self.client.request("DELETE", resource.path(name), params=background)
        else:
            for item in items:
                await self.client.delete(resource, item["metadata"]["name"], name, propagation_policy="Background")
        items = (await self.client.list(resource, name)).get("items") or []
        if items:
            label = f"{resource.plural}.{resource.group}"  # upstream leaves the dot for the core group, too
            left.counts[label] = len(items)
            for item in items:
                for finalizer in item["metadata"].get("finalizers") or ():
                    left.finalizers[finalizer] = left.finalizers.get(finalizer, 0) + 1
                if resource == PODS:
                    grace = item["metadata"].get("deletionGracePeriodSeconds") or 0
                    left.longest_grace = max(left.longest_grace, grace)

    async def _report(self, namespace: Object, left: Leftovers) -> None:
        old = {c["type"]: c for c in (namespace.get("status") or {}).get("conditions") or ()}
        new = left.conditions(clock.seconds())
        for entry in new:
            before = old.get(entry["type"])
            if before is not None and before["status"] == entry["status"]:
                entry["lastTransitionTime"] = before["lastTransitionTime"]
        others = [c for kind, c in old.items() if kind not in {c["type"] for c in new}]
        if others + new == list((namespace.get("status") or {}).get("conditions") or ()):
            return
        status = {**(namespace.get("status") or {}), "conditions": others + new}
        await self.client.update(NAMESPACES, {**namespace, "status": status}, subresource="status")
