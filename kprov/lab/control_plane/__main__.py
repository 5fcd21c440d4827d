"""``python -m kprov.lab.control_plane up|down|env``: what ``./dev control-plane`` calls."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from kprov.lab.control_plane.plane import ControlPlane
from kprov.lab.errors import LabError

FOLDER = Path(".kprov/control-plane")


def main() -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="./dev control-plane", description=__doc__, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser(
        "up", help="start etcd and the three daemons, on an empty store", epilog="Other flags are kube-apiserver's."
    )
    down = verbs.add_parser("down", help="stop them")
    env = verbs.add_parser("env", help="print what to eval: KUBECONFIG and where things are")
    for each in (up, down, env):
        each.add_argument("--dir", type=Path, default=FOLDER, help="keys, logs and data (default %(default)s)")
    up.add_argument("--port", type=int, default=0, help="the API server's port (default: a free one, kept)")
    up.add_argument("--kubectl-suite", action="store_true", help="start them as upstream's kubectl tests want them")
    options, flags = parser.parse_known_args()
    if flags and options.verb != "up":
        parser.error(f"unknown option {flags[0]}")
    try:
        return _run(options, tuple(flags))
    except LabError as error:
        print(f"control-plane: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, flags: tuple[str, ...]) -> int:
    if options.verb == "up":
        plane = ControlPlane(options.dir, port=options.port, kubectl_suite=options.kubectl_suite, flags=flags)
        began = time.monotonic()
        plane.start()
        print(f"ready after {time.monotonic() - began:.1f} s: {plane.server}, logs in {plane.folder}", file=sys.stderr)
        print(plane.kubeconfig())
    elif options.verb == "down":
        ControlPlane(options.dir).stop()
    else:
        plane = ControlPlane(options.dir)
        print(f'export KUBECONFIG="{plane.kubeconfig()}"')
        print(f'export KPROV_API_SERVER="{plane.server}"')
        print(f'export KPROV_ETCD="{plane.etcd_url}"')
        print(f'export KPROV_PKI="{plane.pki}"')
    return 0


if __name__ == "__main__":
    sys.exit(main())
