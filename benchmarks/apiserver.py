"""How fast is kube-apiserver, and how large, beside upstream's?

Each server runs alone on an etcd of its own, with the same flags, under the same load; one after the other, in turns,
and the median of the turns counts. Upstream keeps its objects as protobuf, its default, kprov as JSON.
Run: ./dev bench apiserver [--json FILE] [--quick] (see --help). Needs etcd, openssl and wrk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apiservers import servers
from apiservers.plan import Plan

Key = tuple[str, int, str]  # operation, parallel, unit
_LOWER_IS_BETTER = frozenset({"s", "ms", "MB"})


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=Path, help="upstream's kube-apiserver (default: $JUDGES_HOME/bin's)")
    parser.add_argument("--only", choices=("kprov", "upstream"), help="measure one of the two")
    parser.add_argument("--repeat", type=int, default=1, help="turns of each (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=3, help="of each load (default %(default)s)")
    parser.add_argument("--parallel", type=int, nargs="*", default=[1, 16, 64], help="requests at a time")
    parser.add_argument("--watchers", type=int, nargs="*", default=[10, 100, 1000], help="numbers of watchers")
    parser.add_argument("--pods", type=int, default=10_000, help="in the larger lists; 0 leaves them out")
    parser.add_argument(
        "--no-audited", dest="audited", action="store_false", help="leave out the same servers with an audit log"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one second each, 16 in parallel, 100 watchers, 1,000 pods"
    )
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args(given)
    if options.quick:
        options.seconds, options.parallel, options.watchers, options.pods = 1, [16], [100], 0
    return options


class Figures:
    """What was measured of each server, turn by turn."""

    def __init__(self) -> None:
        self._found: dict[Key, dict[str, list[tuple[float, float | None]]]] = defaultdict(lambda: defaultdict(list))

    def taker(self, name: str) -> Any:
        """A function that takes one server's figures."""

        def note(operation: str, parallel: int, unit: str, figure: float, cpu_ms: float | None = None) -> None:
            self._found[(operation, parallel, unit)][name].append((figure, cpu_ms))
            print(f"  {name:9} {operation:34} {parallel:>5} {figure:>12,.2f} {unit}", file=sys.stderr, flush=True)

        return note

    def rows(self) -> list[dict[str, Any]]:
        """A row for each operation; ratio is kprov's figure by upstream's, None where one of them is absent."""
        return [self._row(key, found) for key, found in self._found.items()]

    @staticmethod
    def _row(key: Key, found: dict[str, list[tuple[float, float | None]]]) -> dict[str, Any]:
        row: dict[str, Any] = {"op": key[0], "parallel": key[1], "unit": key[2]}
        row["better"] = "lower" if key[2] in _LOWER_IS_BETTER else "higher"
        for name in ("kprov", "upstream"):
            turns = found.get(name, [])
            row[name] = round(statistics.median(figure for figure, _ in turns), 3) if turns else None
            spent = [cpu for _, cpu in turns if cpu is not None]
            if spent:
                row[f"{name}_cpu_ms"] = round(statistics.median(spent), 4)
        ours, theirs = row["kprov"], row["upstream"]
        row["ratio"] = round(ours / theirs, 3) if ours is not None and theirs else None
        return row


def show(rows: list[dict[str, Any]], absent: dict[str, str]) -> None:
    """Print a line for every operation."""
    print(f"{'operation':36}{'parallel':>8}{'kprov':>14}{'upstream':>14}{'ratio':>8}  better  CPU ms (kprov, upstream)")
    for row in rows:
        cells = "".join(
            f"{'-' if row[name] is None else format(row[name], ',.2f'):>14}" for name in ("kprov", "upstream")
        )
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}"
        spent = ", ".join(str(row.get(f"{name}_cpu_ms", "-")) for name in ("kprov", "upstream"))
        spent = "" if spent == "-, -" else spent
        print(f"{row['op']:36}{row['parallel']:>8}{cells}{ratio:>8}  {row['better']:6}  {row['unit']:3} {spent}")
    for name, why in absent.items():
        print(f"{name} is absent: {why}")


def main() -> None:
    """Measure, print, write."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then, too
    options = arguments()
    missing = [name for name in ("etcd", "openssl", "wrk") if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)} (Debian's packages etcd-server, openssl, wrk)")
    programs: dict[str, str] = {}
    absent: dict[str, str] = {}
    if options.only != "upstream":
        programs["kprov"] = servers.kprov()
    if options.only != "kprov":
        path, why = servers.upstream(options.upstream)
        if path:
            programs["upstream"] = path
        else:
            absent["upstream"] = why
    figures = Figures()
    for _ in range(options.repeat):
        for audited in (False, True) if options.audited else (False,):
            for name, program in programs.items():
                with contextlib.ExitStack() as stack:
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kprov-bench-")))
                    server = stack.enter_context(servers.running(name, program, folder, audited=audited))
                    plan = Plan(
                        server,
                        figures.taker(name),
                        folder,
                        seconds=options.seconds,
                        parallels=options.parallel,
                        watchers=[] if audited else options.watchers,
                        most=0 if audited else options.pods,
                    )
                    plan.run_audited() if audited else plan.run()
    rows = figures.rows()
    show(rows, absent)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "absent": absent}, indent=1) + "\n")


if __name__ == "__main__":
    main()
