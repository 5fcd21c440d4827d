"""What admission's metrics say, under upstream's names: how long it took, and what it refused."""

from __future__ import annotations

from kprov.kube.api.metrics import REGISTRY

ADMIT, VALIDATE, VALIDATING = "admit", "validate", "validating"
"""Upstream calls the second one otherwise where webhooks are concerned."""
_LABELS = ("name", "operation", "rejected", "type")
_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5)

STEPS = REGISTRY.histogram(
    "apiserver_admission_step_admission_duration_seconds",
    "Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type "
    "(validate or admit).",
    ("operation", "rejected", "type"),
    _BUCKETS,
)
CONTROLLERS = REGISTRY.histogram(
    "apiserver_admission_controller_admission_duration_seconds",
    "Admission controller latency histogram in seconds, identified by name and broken out for each operation and API "
    "resource and type (validate or admit).",
    _LABELS,
    _BUCKETS,
)
WEBHOOKS = REGISTRY.histogram(
    "apiserver_admission_webhook_admission_duration_seconds",
    "Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API "
    "resource and type (validate or admit).",
    _LABELS,
    (*_BUCKETS, 10.0, 25.0),
)
REJECTIONS = REGISTRY.counter(
    "apiserver_admission_webhook_rejection_count",
    "Admission webhook rejection count, identified by name and broken out for each admission type (validating or "
    "admit) and operation. Additional labels specify an error type (calling_webhook_error or apiserver_internal_error "
    "if an error occurred; no_error otherwise) and optionally a non-zero rejection code if the webhook rejects the "
    "request with an HTTP status code (honored by the apiserver when the code is greater or equal to 400).",
    ("error_type", "name", "operation", "rejection_code", "type"),
)
FAIL_OPEN = REGISTRY.counter(
    "apiserver_admission_webhook_fail_open_count",
    "Admission webhook fail open count, identified by name and broken out for each admission type (validating or "
    "admit).",
    ("name", "type"),
)


def asked_webhook(
    name: str, operation: str, kind: str, seconds: float, *, error: str = "", code: int = 0, passed_over: bool = False
) -> None:
    """Note that a webhook was asked.

    Args:
        name: the webhook's.
        operation: of the write.
        kind: ADMIT or VALIDATING.
        seconds: how long it took.
        error: ``calling_webhook_error`` where it could not be asked.
        code: with which it refused; 0 where it did not.
        passed_over: whether it could not be asked, and that is ignored.
    """
    rejected = bool(code or error) and not passed_over
    WEBHOOKS.observe(seconds, name, operation, "true" if rejected else "false", kind)
    if rejected:
        REJECTIONS.inc(error or "no_error", name, operation, str(code), kind)
    if passed_over:
        FAIL_OPEN.inc(name, kind)
