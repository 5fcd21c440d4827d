"""The alert rules and the dashboard of docs/monitoring ask for metrics that kprov's daemons, or etcd, serve."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

import kprov

FOLDER = Path(__file__).parents[3] / "docs" / "monitoring"
DAEMONS = Path(kprov.__file__).parent / "kube"

# Debian's etcd-server, and Prometheus itself.
OTHERS = {
    "up",
    "etcd_disk_wal_fsync_duration_seconds",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_server_has_leader",
    "etcd_server_leader_changes_seen_total",
    "etcd_server_quota_backend_bytes",
}
# What stands in an expression of PromQL and is no metric.
_WORDS = {"sum", "by", "rate", "increase", "changes", "max", "min", "count", "topk", "time", "vector", "or", "and",
          "on", "le", "histogram_quantile"}  # fmt: skip


@lru_cache(maxsize=1)
def served() -> frozenset[str]:
    """The names of the metrics that the daemons serve, as patterns."""
    return frozenset(registered())


def registered() -> Iterator[str]:
    """The names, as patterns, of the metrics that the daemons' code registers or writes."""
    for path in DAEMONS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                if node.func.attr in ("counter", "gauge", "histogram"):
                    yield _pattern(node.args[0])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from re.findall(r"^# TYPE (\w+)", node.value)
                if re.fullmatch(r"(process|container|machine)_[a-z_]+", node.value):
                    yield node.value
                if node.value.startswith("# HELP kubernetes_build_info"):
                    yield "kubernetes_build_info"


def _pattern(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else r"\w+" for part in node.values)
    return "nothing"


def expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def asked(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", expression)
    bare = re.sub(r"\b(by|on)\s*\([^)]*\)", " ", bare)
    return {word for word in re.findall(r"[a-z_][a-z0-9_]*", bare) if word not in _WORDS}


def test_expressions_are_read_as_they_are_meant() -> None:
    assert asked('sum by (a, le) (rate(x_bucket{b="c_d"}[5m])) / on () time() > 0.5') == {"x_bucket"}


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_is_served(where: str, expression: str) -> None:
    names = served()
    assert len(names) > 50
    for name in asked(expression):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert base in OTHERS or any(re.fullmatch(each, one) for each in names for one in (name, base)), (where, name)


def test_every_alert_says_what_to_do() -> None:
    for group in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
            assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]


def test_the_jobs_of_the_rules_are_scraped() -> None:
    jobs = {each["job_name"] for each in yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"]}
    for where, expression in expressions():
        for job in re.findall(r'job="([^"]+)"', expression):
            assert job in jobs, where


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def _unknown(given: Any, known: Any, where: str = "") -> Iterator[str]:
    """What of a document is not in what was read of it."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key in known:
                yield from _unknown(value, known[key], f"{where}.{key}")
            else:
                yield f"{where}.{key}"
    elif isinstance(given, list) and isinstance(known, list) and len(given) == len(known):
        for number, pair in enumerate(zip(given, known, strict=True)):
            yield from _unknown(*pair, f"{where}[{number}]")
    elif given != known:
        yield where


def _read_by_grafana(dashboard: dict[str, Any]) -> list[str]:
    """What of a dashboard Grafana's own types do not know."""
    register_default_plugins()
    read = Dashboard.from_json(copy.deepcopy(dashboard))
    return list(_unknown(dashboard, json.loads(JSONEncoder().encode(read))))


def test_grafanas_types_know_every_field_of_the_dashboard() -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    assert _read_by_grafana(dashboard) == []
    dashboard["panels"][0]["fieldConfig"]["defaults"]["units"] = "s"
    dashboard["panels"][0]["targets"][0]["expression"] = "up"
    assert _read_by_grafana(dashboard) == [
        ".panels[0].fieldConfig.defaults.units",
        ".panels[0].targets[0].expression",
    ]
