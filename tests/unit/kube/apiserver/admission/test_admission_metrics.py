"""What admission and the audit log count, under upstream's names."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission import instruments
from kprov.kube.apiserver.admission.chain import AdmissionChain
from kprov.kube.apiserver.admission.plugin import Plugin

INFO = SimpleNamespace(key=("", "pods"))


def plugin(about: str, refuses: bool = False) -> Plugin:
    class Some(Plugin):
        name = about

        async def mutate(self, attrs: Any) -> None:
            if refuses:
                raise errors.bad_request("no")

        async def validate(self, attrs: Any) -> None:
            return None

    return Some(SimpleNamespace(store=None))  # type: ignore[arg-type]


def counted(histogram: Any) -> Callable[[], dict[tuple[str, ...], float]]:
    def counts() -> dict[tuple[str, ...], float]:
        return {labels: sum(series[:-1]) for labels, series in histogram.series.items()}

    before = counts()
    return lambda: {labels: new for labels, count in counts().items() if (new := count - before.get(labels, 0))}


async def test_each_plugin_and_each_step_is_timed() -> None:
    attrs: Any = SimpleNamespace(resource_info=INFO, operation="CREATE", subresource="", again=False)
    plugins, steps = counted(instruments.CONTROLLERS), counted(instruments.STEPS)
    chain = AdmissionChain([plugin("test-fine")])
    await chain.mutate(attrs)
    await chain.validate(attrs)
    with pytest.raises(ApiError):
        await AdmissionChain([plugin("test-fine"), plugin("test-strict", refuses=True)]).mutate(attrs)
    assert plugins() == {
        ("test-fine", "CREATE", "false", "admit"): 2,
        ("test-fine", "CREATE", "false", "validate"): 1,
        ("test-strict", "CREATE", "true", "admit"): 1,
    }
    assert steps() == {
        ("CREATE", "false", "admit"): 1,
        ("CREATE", "false", "validate"): 1,
        ("CREATE", "true", "admit"): 1,
    }


def test_webhooks_are_counted_by_what_they_say() -> None:
    times = counted(instruments.WEBHOOKS)
    rejections, open_ = dict(instruments.REJECTIONS.values), dict(instruments.FAIL_OPEN.values)
    about = ("test-hook", "UPDATE", "validating", 0.01)
    instruments.asked_webhook(*about)
    instruments.asked_webhook(*about, code=403)
    instruments.asked_webhook(*about, error="calling_webhook_error")
    instruments.asked_webhook(*about, error="calling_webhook_error", passed_over=True)
    assert times() == {
        ("test-hook", "UPDATE", "false", "validating"): 2,
        ("test-hook", "UPDATE", "true", "validating"): 2,
    }
    refused = {labels[0]: labels for labels in instruments.REJECTIONS.values if labels not in rejections}
    assert refused == {
        "no_error": ("no_error", "test-hook", "UPDATE", "403", "validating"),
        "calling_webhook_error": ("calling_webhook_error", "test-hook", "UPDATE", "0", "validating"),
    }
    assert set(instruments.FAIL_OPEN.values) - set(open_) == {("test-hook", "validating")}
