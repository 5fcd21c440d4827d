"""The report of a verification: what counts as held, and its forms for programs."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from kprov.provision.verify.condition import wait_until
from kprov.provision.verify.report import CheckFailed, CheckResult, Report


def filled() -> Report:
    report = Report("lab")
    with report.check("etcd", "All members are healthy") as result:
        result.figures["members"] = 3
    with report.check("nodes", "Every machine is ready"):
        raise CheckFailed("w2 is not ready")
    with report.check("nodes", "No two share a network"):
        raise KeyError("podCIDR")
    return report


def test_one_failure_fails_the_whole() -> None:
    report = filled()
    assert not report.passed
    assert [result.message for result in report.failures] == ["w2 is not ready", "KeyError: 'podCIDR'"]


def test_what_is_interrupted_has_not_held() -> None:
    report = Report("lab")
    with pytest.raises(KeyboardInterrupt), report.check("etcd", "All members are healthy"):
        raise KeyboardInterrupt
    assert [(result.passed, result.message) for result in report.results] == [(False, "interrupted")]


def test_nothing_checked_is_nothing_proved() -> None:
    assert not Report("lab").passed


def test_a_listener_hears_each_result_at_once() -> None:
    heard: list[CheckResult] = []
    report = Report("lab", on_result=heard.append)
    with report.check("etcd", "fine"):
        assert heard == []
    assert [result.name for result in heard] == ["fine"]


def test_json_carries_figures_and_the_verdict() -> None:
    data = json.loads(filled().to_json())
    assert data["passed"] is False
    assert data["checks"][0]["figures"] == {"members": 3}


def test_junit_counts_a_suite_a_group() -> None:
    suites = ElementTree.fromstring(filled().to_junit())
    counts = {suite.get("name"): (suite.get("tests"), suite.get("failures")) for suite in suites}
    assert counts == {"etcd": ("1", "0"), "nodes": ("2", "2")}
    assert suites.find(".//failure").get("message") == "w2 is not ready"  # type: ignore[union-attr]


def test_waiting_ends_when_nothing_is_missing() -> None:
    answers = iter(["two are missing", "one is missing", ""])
    assert wait_until(lambda: next(answers), 5, pause=0) < 5


def test_waiting_says_what_was_missing_at_the_end() -> None:
    with pytest.raises(CheckFailed, match="after 0 s: w2 is not ready"):
        wait_until(lambda: "w2 is not ready", 0, pause=0)


def test_what_cannot_come_true_any_more_ends_the_wait() -> None:
    def failed() -> str:
        raise CheckFailed("the pod failed")

    with pytest.raises(CheckFailed, match=r"^the pod failed$"):
        wait_until(failed, 60)
