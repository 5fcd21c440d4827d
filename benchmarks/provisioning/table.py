"""The rows as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

TOOLS = (
    ("kprov", "kprov"),
    ("kprov_anew", "kprov, anew"),
    ("script", "shell script"),
    ("pyinfra", "pyinfra"),
    ("ansible", "Ansible"),
    ("ansible_no_facts", "Ansible, no facts"),
)
COLUMNS = (
    ("s", "seconds"),
    ("ratio", "x kprov"),
    ("cpu_s", "CPU s"),
    ("machines_cpu_s", "machines' s"),
    ("memory_mb", "MB"),
    ("wire_kb", "wire KB"),
)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if isinstance(value, float) and value >= 100 else f"{value:,}"


def title(row: dict[str, Any]) -> str:
    """What a row is about."""
    return f"{row['case']} ({row['work']})" if "work" in row else str(row["case"])


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print a line for every case and tool."""
    print(f"{'case':24} {'hosts':>5}  {'tool':18}" + "".join(f"{title:>12}" for _, title in COLUMNS) + "  round trips")
    for row in rows:
        for name, label in TOOLS:
            if f"{name}_s" not in row and f"{name}_note" not in row:
                continue
            cells = "".join(f"{_cell(row.get(f'{name}_{key}')):>12}" for key, _ in COLUMNS)
            trips = row.get(f"{name}_round_trips")
            end = f"  {trips:g}" if trips is not None else ""
            if growth := row.get(f"{name}_growth"):
                end += f"  {growth:g} times as long with four times the tasks"
            note = f"  {row[f'{name}_note']}" if f"{name}_note" in row else ""
            print(f"{title(row):24} {row['hosts']:>5}  {label:18}{cells}{end}{note}")
    for row in rows:
        for name, label in TOOLS:
            _show_profile(row, name, label)


def _show_profile(row: dict[str, Any], name: str, label: str) -> None:
    """Where a tool's own time went, next to the CPU that the same work took without a profiler."""
    shares = row.get(f"{name}_profile")
    if not shares:
        return
    cpu = row.get(f"{name}_cpu_s") or 0.0
    print(
        f"\n{label}, {row['case']}, {row['hosts']} hosts, {row['where']}: {cpu:g} s of CPU on the controller, spent on"
    )
    for kind, share in shares.items():
        print(f"  {share:6.1%}  about {share * cpu:6.3f} s  {kind}")
