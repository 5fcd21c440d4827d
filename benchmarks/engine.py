"""How fast is a role on many machines, beside ansible-core and pyinfra, in one run on the same machines?

Run as root: ./dev bench engine [--hosts N ...] [--json FILE] [--inventory LAB.yaml] (see --help)
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from provisioning import cases, lab, loopback, table, tools, workload

CACHE = Path("~/.cache/kprov/benchmark-peers").expanduser()

WORK = {"whole": workload.whole, "files": workload.folders_files_lines}


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="*", default=[50, 200, 500], help="numbers of loopback targets")
    parser.add_argument("--inventory", type=Path, help="a lab's inventory: run the whole role on its machines, too")
    parser.add_argument(
        "--work",
        choices=sorted(WORK),
        nargs="*",
        default=["whole"],
        help="what is done on the lab's machines: the whole role, or 60 tasks that write folders, files and lines",
    )
    parser.add_argument(
        "--tools",
        default="kprov,kprov_anew,script,pyinfra,ansible,ansible_no_facts",
        help="which, separated by commas; kprov_anew: kprov without connections "
        "that outlive a run; script: the same commands in a shell script, without any tool",
    )
    parser.add_argument("--tasks", type=int, default=60, help="tasks on loopback targets")
    parser.add_argument(
        "--growth",
        type=int,
        nargs="*",
        default=[],
        help="numbers of loopback targets that get four times the tasks, too",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured for --growth")
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a command is stopped")
    parser.add_argument(
        "--peers-up-to",
        "--largest",
        dest="largest",
        type=int,
        default=50,
        help="peers are left out with more hosts than this (0: never left out)",
    )
    parser.add_argument("--profile", action="store_true", help="show where kprov's time goes with nothing to do")
    parser.add_argument("--rtt", type=float, default=50, help="ms of the far-away case; 0 leaves it out")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--peers", type=Path, default=CACHE, help="the peers' virtual environment, made on demand")
    return parser.parse_args(given)


def main() -> None:
    """Measure every case, print a table, write JSON."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made is taken away then, too
    options = arguments()
    wanted = options.tools.split(",")
    # A checkout has no bytecode, which pip makes for the peers when it installs them.
    compileall.compile_dir(Path(__file__).parents[1] / "kprov", quiet=2)
    binaries = tools.peers(options.peers) if set(wanted) - {"kprov", "kprov_anew", "script"} else Path()
    rows: list[dict[str, object]] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kprov-bench-")))
        bench = cases.Benchmark(folder, wanted, binaries, options.limit, options.largest, options.profile)
        if options.inventory:
            machines = lab.Lab(options.inventory)
            for work in options.work:
                rows += bench.on_lab(machines, WORK[work](), work)
        if options.hosts or options.growth or options.rtt:
            most = max([1, *options.hosts, *options.growth])
            targets = stack.enter_context(loopback.Loopback(folder, most))
            for count in options.hosts:
                rows += bench.on_loopback(targets, count, options.tasks)
            for count in options.growth:
                rows += bench.growth(targets, count, options.tasks, options.rounds)
            if options.rtt:
                rows += bench.far_away(targets, options.rtt / 1000, options.tasks)
    table.show(rows)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
