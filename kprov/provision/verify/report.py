"""What was checked, what came of it, and its three forms: for people, JSON and JUnit's XML."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.etree import ElementTree


class CheckFailed(Exception):
    """A check did not hold; the message says what was found instead."""


@dataclass(slots=True)
class CheckResult:
    """One check: where it belongs, what it asked, and what came of it. ``figures`` are measured values."""

    group: str
    name: str
    passed: bool
    message: str = ""
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """The results of a verification, in the order in which they came; ``on_result`` is told of each at once."""

    cluster: str
    results: list[CheckResult] = field(default_factory=list)
    on_result: Callable[[CheckResult], None] | None = None

    @property
    def passed(self) -> bool:
        """Whether something was checked, and all of it held."""
        return bool(self.results) and all(result.passed for result in self.results)

    @property
    def failures(self) -> list[CheckResult]:
        """What did not hold."""
        return [result for result in self.results if not result.passed]

    @contextmanager
    def check(self, group: str, name: str) -> Iterator[CheckResult]:
        """Record what happens inside: it holds when nothing is raised.

        CheckFailed and AssertionError carry the reason; any other error is one too, named by its type.
        """
        result = CheckResult(group, name, passed=True)
        started = time.monotonic()
        try:
            yield result
        except (CheckFailed, AssertionError) as error:
            result.passed = False
            result.message = str(error) or "does not hold"
        except Exception as error:
            result.passed = False
            result.message = f"{type(error).__name__}: {error}"
        except BaseException:
            result.passed, result.message = False, "interrupted"
            raise
        finally:
            result.seconds = time.monotonic() - started
            self.results.append(result)
            if self.on_result:
                self.on_result(result)

    def to_json(self) -> str:
        """The report as one JSON object."""
        whole = {"cluster": self.cluster, "passed": self.passed, "checks": [asdict(result) for result in self.results]}
        return json.dumps(whole, indent=2)

    def to_junit(self) -> str:
        """The report as JUnit's XML, a suite a group, for CI systems."""
        suites = ElementTree.Element("testsuites", name=f"kprov verify {self.cluster}")
        by_group: dict[str, list[CheckResult]] = {}
        for result in self.results:
            by_group.setdefault(result.group, []).append(result)
        for group, results in by_group.items():
            suite = ElementTree.SubElement(
                suites,
                "testsuite",
                name=group,
                tests=str(len(results)),
                failures=str(sum(not result.passed for result in results)),
                time=f"{sum(result.seconds for result in results):.3f}",
            )
            for result in results:
                case = ElementTree.SubElement(
                    suite, "testcase", classname=group, name=result.name, time=f"{result.seconds:.3f}"
                )
                if not result.passed:
                    failure = ElementTree.SubElement(case, "failure", message=result.message)
                    failure.text = result.message
                elif result.figures:
                    ElementTree.SubElement(case, "system-out").text = json.dumps(result.figures)
        return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
