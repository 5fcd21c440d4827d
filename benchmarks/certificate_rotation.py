"""What a client that writes notices while a cluster's authorities, or its service-account key, are changed.

    python benchmarks/certificate_rotation.py -i inventory.yaml [--kill] [--authority etcd]

Needs a cluster that is up, on machines of your own: its authorities are changed for new ones. The client follows its
kubeconfig, as it must. With ``--kill`` the command is ended by SIGKILL in the middle of each step, and begun again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kprov.provision.inventory import load
from kprov.provision.kubeapi.client import ClusterApi
from kprov.provision.kubeapi.credentials import read_kubeconfig
from kprov.provision.verify.writer import Writer

KPROV = str(Path(sys.executable).with_name("kprov"))


class FollowingApi(ClusterApi):
    """A client that reads its kubeconfig again when that is another."""

    def __init__(self, servers: list[str], kubeconfig: Path) -> None:
        self._kubeconfig, self._stamp, self._addresses = kubeconfig, kubeconfig.stat().st_ino, servers
        super().__init__(servers, read_kubeconfig(kubeconfig), timeout=5)

    def request(self, *arguments: Any, **options: Any) -> Any:
        """One request, with the credentials of the moment."""
        if (stamp := self._kubeconfig.stat().st_ino) != self._stamp:
            self.close()
            super().__init__(self._addresses, read_kubeconfig(self._kubeconfig), timeout=5)
            self._stamp = stamp
        return super().request(*arguments, **options)


def run(words: list[str], kill_at: str = "") -> tuple[int, str]:
    """Run kprov; with ``kill_at`` end it by SIGKILL when it says that. Returns: exit code, what it said."""
    process = subprocess.Popen([KPROV, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if kill_at and kill_at in line:
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.read()
    return process.wait(), "".join(said)


def main() -> int:
    """Measure it, and say it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", "--inventory", type=Path, required=True)
    parser.add_argument("--authority", default="all")
    parser.add_argument("--kill", action="store_true")
    options = parser.parse_args()
    inventory = load(options.inventory)
    servers = [
        f"https://{h.node_address}:{inventory.cluster.api_server_port}" for h in inventory.group("control_plane")
    ]
    api = FollowingApi(servers, inventory.cluster.state_directory / "admin.kubeconfig")
    where = ["-i", str(options.inventory)]
    rotate = ["certs", "rotate-ca", *where, "--authority", options.authority]
    key = ["certs", "rotate-service-account-keys", *where, "--drop-now"]
    gaps: dict[str, Any] = {}
    lost = []
    number = itertools.count()
    stamp = f"{os.getpid()}-{int(time.time())}"

    def while_writing(title: str, words: list[str], kill_at: str = "") -> int:
        name = f"rotation-{stamp}-{next(number)}"
        with Writer(api, "default", name) as writer:
            begun = time.monotonic()
            code, said = run(words, kill_at)
            seconds = time.monotonic() - begun
        if code and not kill_at:
            print(said[-3000:], file=sys.stderr)
        lost.append(writer.lost())
        outage = writer.outage
        gaps[title] = {
            "seconds": round(seconds, 1),
            "longest_gap_seconds": round(outage.longest_gap_seconds, 2),
            "acknowledged": outage.acknowledged,
            "failed_tries": outage.failed,
            "errors": outage.errors[:2],
        }
        api.request("DELETE", f"/api/v1/namespaces/default/configmaps/{name}")
        return code

    codes = []
    for step in ("trust-both", "reissue", ""):
        words = [*rotate, *(["--until", step] if step else [])]
        if options.kill:
            while_writing(f"{step or 'trust-new'}, killed", words, kill_at="Restart kubelet")
        codes.append(while_writing(step or "trust-new", words))
    codes.append(while_writing("service-account keys", key))
    print(json.dumps({"steps": gaps, "lost": [each for each in lost if each], "exit_codes": codes}, indent=1))
    return int(any(codes) or any(lost))


if __name__ == "__main__":
    sys.exit(main())
