"""A run among hosts that lie, in a process of its own, so that its memory can be measured.

Arguments: inventory, folder for files, the way in (ansible_connection). Prints JSON: each host's state and reason,
seconds, the most memory it had.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import sys
import time
from pathlib import Path

from kprov.provision.engine import Engine
from kprov.provision.inventory import load
from kprov.provision.inventory.timeouts import Timeouts
from kprov.provision.transport import inbound, link

# Patience that a test can wait for.
inbound.SLOWEST = link.SLOWEST = 64 * 1024
TIMEOUTS = Timeouts(connect=10, login=30, facts=30, silence=20)


def run(path: Path, folder: Path, way: str) -> dict[str, object]:
    """Connect to all, give all something to do, and tell how it went."""
    inventory = load(path, check_files=False)
    hosts = {
        # One sshd on one address for all of them, which an inventory rightly refuses.
        name: dataclasses.replace(host, address="127.0.0.1", variables={**host.variables, "ansible_connection": way})
        for name, host in inventory.hosts.items()
    }
    inventory = dataclasses.replace(inventory, hosts=hosts)
    content = folder / "content"
    content.write_bytes(os.urandom(1 << 20) * 16)  # more than all buffers on the way hold, and not to be packed
    began = time.monotonic()
    with Engine(inventory, state_directory=folder / "state", lock=False, forks=14, timeouts=TIMEOUTS) as engine:
        engine.connect()
        connected = time.monotonic() - began
        hosts = [host.name for host in engine.alive()]
        copies = {name: ("copy", {"src": str(content), "dest": str(folder / f"copy-{name}")}) for name in hosts}
        engine.module_all(copies)
        done = engine.module_all({host.name: ("command", {"argv": ["echo", "done"]}) for host in engine.alive()})
        return {
            "state": {name: [state.state, state.reason] for name, state in engine.state.items()},
            "answers": {name: result.get("stdout") for name, result in done.items()},
            "connected": connected,
            "seconds": time.monotonic() - began,
            "outcome": engine.outcome(),
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        }


print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
