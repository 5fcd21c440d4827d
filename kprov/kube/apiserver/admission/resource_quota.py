"""ResourceQuota: what a namespace may hold and use, charged before the object is stored.

The charge is a compare-and-swap on the quota's status, so that two servers never give away the last place twice. What
is charged and then not stored after all is put right by the quota controller.
"""

from __future__ import annotations

from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.api.quantity import QuantityError, format_of, format_quantity, parse
from kprov.kube.apiserver.admission.attributes import CREATE, AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Object, Plugin, Surroundings, forbid
from kprov.kube.apiserver.admission.quota_usage import Amount, Usage, in_scope, pod_total, usage_of

_QUOTAS = ("", "resourcequotas")
_PODS = ("", "pods")
# An update can only use more where something countable inside the object changes.
_GROWING = frozenset((("", "services"), ("", "persistentvolumeclaims")))
_REQUIRED_OF_CONTAINERS = ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "cpu", "memory")


class ResourceQuota(Plugin):
    """See the module."""

    name = "ResourceQuota"
    caches = (_QUOTAS,)

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._quotas: dict[str, dict[str, Object]] = {}
        around.store.subscribe(_QUOTAS, self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        metadata = (new or old or {})["metadata"]
        quotas = self._quotas.setdefault(metadata["namespace"], {})
        if new is not None:
            quotas[metadata["name"]] = new
        elif quotas.pop(metadata["name"], None) is not None and not quotas:
            del self._quotas[metadata["namespace"]]

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Charge every quota of the namespace that bears on the object."""
        quotas = self._quotas.get(attrs.namespace) if attrs.namespace else None
        if not quotas or attrs.obj is None:
            return
        if attrs.operation != CREATE and attrs.resource_info.key not in _GROWING:
            return
        delta = usage_of(attrs.resource_info, attrs.obj)
        if attrs.old_obj is not None:
            before = usage_of(attrs.resource_info, attrs.old_obj)
            delta = {name: amount - before.get(name, 0) for name, amount in delta.items()}
        is_pod = attrs.resource_info.key == _PODS
        concerned: list[tuple[str, Usage]] = []
        for name, quota in sorted(quotas.items()):
            spec = quota.get("spec") or {}
            if (spec.get("scopes") or spec.get("scopeSelector")) and not (is_pod and in_scope(attrs.obj, spec)):
                continue
            hard = (quota.get("status") or {}).get("hard") or {}
            if is_pod:
                _check_containers(attrs, name, hard)
            bearing = {each: amount for each, amount in delta.items() if each in hard and amount != 0}
            if bearing:
                concerned.append((name, bearing))
        # First look at all, so that a refusal by the last does not leave a charge on the first.
        for name, bearing in concerned:
            _charged(attrs, quotas[name], bearing)
        if attrs.dry_run:
            return
        for name, bearing in concerned:
            await self._charge(attrs, name, bearing)

    async def _charge(self, attrs: AdmissionAttributes, name: str, bearing: Usage) -> None:
        def change(quota: Object) -> Object:
            return _charged(attrs, quota, bearing)

        try:
            updated = await self.store.guaranteed_update(_QUOTAS, attrs.namespace, name, change)
        except ApiError as error:
            if errors.is_not_found(error):
                return  # the quota is gone, and with it what it limited
            raise
        self._quotas.get(attrs.namespace, {}).update({name: updated})


def _charged(attrs: AdmissionAttributes, quota: Object, bearing: Usage) -> Object:
    """The quota with the charge on it. Raises ApiError where that is more than there is."""
    status = quota.get("status") or {}
    hard, used = status.get("hard") or {}, dict(status.get("used") or {})
    exceeded: list[str] = []
    for name, amount in bearing.items():
        if name not in hard:
            continue
        total = _amount(used.get(name)) + amount
        if amount > 0 and total > _amount(hard[name]):
            exceeded.append(name)
        used[name] = format_quantity(max(total, 0), format_of(hard[name]))
    if exceeded:
        names = sorted(exceeded)
        asked = ",".join(f"{name}={format_quantity(bearing[name], format_of(hard[name]))}" for name in names)
        present = ",".join(f"{name}={(status.get('used') or {}).get(name, '0')}" for name in names)
        limited = ",".join(f"{name}={hard[name]}" for name in names)
        quota_name = quota["metadata"]["name"]
        raise forbid(attrs, f"exceeded quota: {quota_name}, requested: {asked}, used: {present}, limited: {limited}")
    return {**quota, "status": {**status, "used": used}}


def _amount(quantity: Any) -> Amount:
    try:
        return parse(quantity) if quantity is not None else 0
    except QuantityError:
        return 0


def _check_containers(attrs: AdmissionAttributes, name: str, hard: Object) -> None:
    """Where CPU or memory is limited, every container must say what it takes of it."""
    spec = (attrs.obj or {}).get("spec") or {}
    missing: dict[str, list[str]] = {}
    for limited in hard:
        if limited not in _REQUIRED_OF_CONTAINERS:
            continue
        kind, _, resource = limited.rpartition(".")
        kind = kind or "requests"
        if resource in pod_total({"overhead": spec.get("overhead")}, kind):
            continue
        for field in ("containers", "initContainers"):
            for container in spec.get(field) or ():
                if resource not in ((container.get("resources") or {}).get(kind) or {}):
                    missing.setdefault(limited, []).append(str(container.get("name")))
    if missing:
        listed = "; ".join(f"{each} for: {','.join(sorted(set(missing[each])))}" for each in sorted(missing))
        raise forbid(attrs, f"failed quota: {name}: must specify {listed}")
