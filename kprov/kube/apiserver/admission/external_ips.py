"""DenyServiceExternalIPs: nobody draws traffic to an address of somebody else's by a Service's externalIPs.

Upstream's plugin of that name: addresses that a Service has already may stay, and may be taken away.
"""

from __future__ import annotations

from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Plugin, forbid


class DenyServiceExternalIPs(Plugin):
    """See the module."""

    name = "DenyServiceExternalIPs"
    resources = frozenset((("", "services"),))

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Refuse new addresses."""
        wanted = _addresses(attrs.obj)
        if not wanted <= _addresses(attrs.old_obj):
            raise forbid(attrs, "Use of external IPs is denied by admission control.")


def _addresses(service: dict[str, object] | None) -> set[str]:
    spec = (service or {}).get("spec")
    return set((spec.get("externalIPs") if isinstance(spec, dict) else None) or ())
