"""The kinds of the certificates.k8s.io group."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from kprov.kube.api import errors
from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.equality import semantically_equal

Object = dict[str, Any]
_LEGACY = "kubernetes.io/legacy-unknown"

_USAGES = frozenset(
    (
        "signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment",
        "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth", "client auth", "code signing",
        "email protection", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing",
        "microsoft sgc", "netscape sgc",
    )
)  # fmt: skip
_DECISIONS = ("Approved", "Denied")


class SigningRequestStrategy(Strategy):
    """Certificate signing requests: who asks is recorded by the server; what is asked never changes."""

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Record who asks. Raises ApiError (422) for a signer that only v1beta1 may name."""
        spec = obj.setdefault("spec", {})
        if spec.get("signerName") == _LEGACY and ctx.version != "v1beta1":
            wrong = invalid("spec.signerName", _LEGACY, f"{_LEGACY} is not allowed via this API version")
            name = obj["metadata"].get("name", "")
            raise errors.invalid(ctx.resource.kind, name, [wrong.cause()], group=ctx.resource.group)
        for field in ("uid", "extra"):
            spec.pop(field, None)
        user = ctx.user
        spec["username"] = user.name
        if user.uid:
            spec["uid"] = user.uid
        spec["groups"] = list(user.groups)
        if user.extra:
            spec["extra"] = {key: list(values) for key, values in user.extra.items()}
        obj["status"] = {}

    def prepare_for_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """The request stays."""
        obj["spec"] = old.get("spec") or {}
        obj["status"] = old.get("status") or {}

    def prepare_for_status_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """Decisions are made through the approval subresource; here go the certificate and a failure."""
        obj["spec"] = old.get("spec") or {}
        status = obj.setdefault("status", {})
        decided = [each for each in (old.get("status") or {}).get("conditions") or () if each.get("type") in _DECISIONS]
        others = [each for each in status.get("conditions") or () if each.get("type") not in _DECISIONS]
        if decided or others:
            status["conditions"] = decided + others
        _stamp(status, old)

    def prepare_for_subresource_update(self, subresource: str, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """Approval: only conditions change, and not the one that says that signing failed."""
        before = old.get("status") or {}
        given = (obj.get("status") or {}).get("conditions") or []
        kept = [each for each in before.get("conditions") or () if each.get("type") == "Failed"]
        conditions = [each for each in given if each.get("type") != "Failed"] + kept
        obj["spec"] = old.get("spec") or {}
        obj["status"] = {**before, "conditions": conditions} if conditions else dict(before)
        _stamp(obj["status"], old)

    def validate(self, obj: Object) -> list[FieldError]:
        """A request that can be read, a signer, and what the certificate is for."""
        spec = obj.get("spec") or {}
        found = _request_errors(spec.get("request"))
        signer = spec.get("signerName") or ""
        if not signer:
            found.append(required("spec.signerName"))
        elif "/" not in signer or "." not in signer.partition("/")[0]:
            message = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
            found.append(invalid("spec.signerName", signer, message))
        usages = spec.get("usages") or []
        if not usages:
            found.append(required("spec.usages", "usages is required"))
        seen: set[str] = set()
        for index, usage in enumerate(usages):
            if usage not in _USAGES:
                found.append(not_supported(f"spec.usages[{index}]", usage, sorted(_USAGES)))
            if usage in seen:
                found.append(duplicate(f"spec.usages[{index}]", usage))
            seen.add(usage)
        seconds = spec.get("expirationSeconds")
        if seconds is not None and seconds < 600:
            found.append(
                invalid(
                    "spec.expirationSeconds", seconds, "may not specify a duration less than 600 seconds (10 minutes)"
                )
            )
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Nothing that could go wrong changes."""
        return []

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """A certificate, once there, stays."""
        new, before = (obj.get("status") or {}).get("certificate"), (old.get("status") or {}).get("certificate")
        found = _condition_errors(obj, old)
        if before and new != before:
            found.append(
                forbidden("status.certificate", "updates may not set or modify the certificate once it is set")
            )
        elif new and not before:
            try:
                text = base64.b64decode(new)
            except ValueError:
                text = b""
            if b"-----BEGIN CERTIFICATE-----" not in text:
                message = "must contain one or more PEM blocks"
                found.append(invalid("status.certificate", "<certificate data>", message))
        return found

    def validate_subresource_update(self, subresource: str, obj: Object, old: Object) -> list[FieldError]:
        """Decisions are final."""
        return _condition_errors(obj, old)


def _stamp(status: Object, old: Object) -> None:
    """Give new conditions their times."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = {each.get("type"): each for each in (old.get("status") or {}).get("conditions") or ()}
    for each in status.get("conditions") or ():
        known = before.get(each.get("type"))
        each.setdefault("status", "True")
        if not each.get("lastUpdateTime"):
            each["lastUpdateTime"] = now
        if not each.get("lastTransitionTime"):
            same = known is not None and known.get("status") == each.get("status")
            each["lastTransitionTime"] = (known or {}).get("lastTransitionTime", now) if same else now


def _request_errors(request: str | None) -> list[FieldError]:
    if not request:
        return [invalid("spec.request", "", "PEM block type must be CERTIFICATE REQUEST")]
    from cryptography import x509

    try:
        parsed = x509.load_pem_x509_csr(base64.b64decode(request))
    except ValueError as error:
        return [invalid("spec.request", request, str(error))]
    return [] if parsed.is_signature_valid else [invalid("spec.request", request, "the signature is not valid")]


def _condition_errors(obj: Object, old: Object) -> list[FieldError]:
    found: list[FieldError] = []
    conditions = (obj.get("status") or {}).get("conditions") or []
    types = [each.get("type") for each in conditions]
    for index, each in enumerate(conditions):
        here = f"status.conditions[{index}]"
        if not each.get("type"):
            found.append(required(f"{here}.type"))
        elif types.index(each["type"]) != index:
            found.append(duplicate(f"{here}.type", each["type"]))
        if each.get("type") in (*_DECISIONS, "Failed") and each.get("status") != "True":
            found.append(not_supported(f"{here}.status", each.get("status"), ["True"]))
    if "Approved" in types and "Denied" in types:
        index = max(types.index("Approved"), types.index("Denied"))
        found.append(
            invalid(
                f"status.conditions[{index}].type",
                types[index],
                "Approved and Denied conditions are mutually exclusive",
            )
        )
    for each in (old.get("status") or {}).get("conditions") or ():
        if each.get("type") in (*_DECISIONS, "Failed") and each["type"] not in types:
            message = f'updates may not remove a condition of type "{each["type"]}"'
            found.append(forbidden("status.conditions", message))
        elif each.get("type") in _DECISIONS:
            now = conditions[types.index(each["type"])]
            if not semantically_equal(now.get("status"), each.get("status")):
                found.append(
                    forbidden("status.conditions", f'updates may not change a condition of type "{each["type"]}"')
                )
    return found


STRATEGIES: dict[str, Strategy] = {"certificatesigningrequests": SigningRequestStrategy()}
