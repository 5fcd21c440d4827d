"""Files are written by the atomic writers. What opens a file for writing by itself is listed here, with the reason."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "kprov"

# The writers themselves.
WRITERS = {"provision/atomic/files.py", "provision/agent/atomic.py"}

# file -> (how many places, why none of them has to be whole at every moment)
JUDGED: dict[str, tuple[int, str]] = {
    # kernel interfaces: a write is an order
    "kube/api/process_title.py": (2, "/proc"),
    "kube/kubelet/pods/cgroups.py": (1, "cgroup"),
    "kube/network/pod_network.py": (1, "/proc/sys"),
    "lab/cgroups.py": (5, "cgroup"),
    "provision/agent/modules/baseline.py": (1, "/proc/sys"),
    "provision/agent/modules/sysctl.py": (1, "/proc/sys"),
    # folders of their own that nobody else knows, gone afterwards
    "provision/agent/modules/apt.py": (1, "a package that apt is about to read"),
    "provision/agent/modules/script.py": (1, "a script that is about to run"),
    "provision/agent/modules/unarchive.py": (3, "an archive that is about to be unpacked, and an empty mark"),
    "provision/bundle/daemons.py": (1, "scratch of a build"),
    "provision/bundle/images.py": (1, "scratch of a build"),
    "provision/bundle/libraries.py": (1, "scratch of a build"),
    "provision/bundle/oci_image.py": (1, "scratch of a build; Store.add syncs and renames"),
    "provision/bundle/private_apt.py": (3, "scratch of a build"),
    "provision/bundle/tree_archive.py": (2, "scratch of a build; Store.add syncs and renames"),
    "provision/kubeapi/credentials.py": (1, "for ssl alone, in a private folder"),
    "provision/vault/editing.py": (1, "for the editor alone, in a private folder in memory"),
    # renamed into place by themselves
    "kube/kubelet/certificates/bootstrap.py": (1, "temporary, synced, renamed"),
    "kube/kubelet/certificates/store.py": (1, "temporary, synced, renamed"),
    "kube/kubelet/volumes/atomic_writer.py": (1, "a folder that a link will point to"),
    "kube/network/cni.py": (1, "temporary, synced, renamed"),
    # caches whose readers notice damage
    "provision/engine/fact_cache.py": (1, "damage is noticed; not worth a sync a machine"),
    "provision/transport/packed_cache.py": (1, "carries its own checksum"),
    # what must keep its inode, grows by lines, or is a lock
    "kube/kubelet/pods/mounts.py": (1, "/etc/hosts and the termination log, mounted into running containers"),
    "lab/control_plane/processes.py": (2, "a log, and a process id with its birth"),
    "lab/power.py": (1, "a console's log"),
    "lab/root_tree.py": (1, "a lock"),
    "lab/state.py": (2, "a lock; temporary, renamed"),
    "lab/supervisor.py": (3, "a lock, and what is written anew at each start"),
    "provision/bundle/store.py": (1, "a lock"),
    "provision/transport/kept.py": (1, "a lock"),
    "provision/agent/modules/cron.py": (1, "a backup under a new name"),
    "kube/kubelet/node/logind.py": (1, "systemd-logind reads it when it is told to, right afterwards"),
    # packed logs: the log itself goes only afterwards
    "kube/apiserver/audit/log_file.py": (1, "packed beside the log"),
    "kube/kubelet/logs/rotation.py": (1, "temporary, renamed"),
    # the lab: machines that are made anew
    "lab/control_plane/authority.py": (3, "made anew with the lab"),
    "lab/control_plane/identities.py": (2, "made anew with the lab"),
    "lab/control_plane/plane.py": (1, "made anew with the lab"),
    "lab/disk.py": (2, "a machine's disk, before it is switched on"),
    "lab/inventory_file.py": (1, "temporary, renamed"),
    "lab/login.py": (1, "made anew at each login"),
    # programs of developers
    "kube/api/patches/extract.py": (1, "makes a table of the sources"),
    "kube/apiserver/fieldmanager/extract.py": (1, "makes a table of the sources"),
    "kube/apiserver/protobuf/extract.py": (1, "makes a table of the sources"),
}


def _mode(call: ast.Call, position: int) -> str:
    given = call.args[position] if len(call.args) > position else None
    for keyword in call.keywords:
        if keyword.arg == "mode":
            given = keyword.value
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else "r"


def writes(tree: ast.AST) -> Iterator[int]:
    """The lines that open a file for writing by itself, or write one whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("write_text", "write_bytes"):
            yield node.lineno
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in ("open", "fdopen"):
            continue
        of_path = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") not in (
            "os",
            "io",
            "gzip",
        )
        by_number = name == "open" and getattr(getattr(node.func, "value", None), "id", "") == "os"
        mode = "r" if by_number else _mode(node, 0 if of_path else 1)
        if set(mode) & set("wax+") and ":" not in mode and set(mode) <= set("rwaxbt+"):
            yield node.lineno


def test_files_are_written_by_the_atomic_writers() -> None:
    found: Counter[str] = Counter()
    for path in sorted(ROOT.rglob("*.py")):
        name = str(path.relative_to(ROOT))
        text = path.read_text()
        if "_pb2" not in name and name not in WRITERS and re.search(r"open\b|write_", text):
            found[name] += len(list(writes(ast.parse(text))))
    judged = {name: count for name, (count, _) in JUDGED.items()}
    wrong = {
        name: f"{count}, judged {judged.get(name, 0)}" for name, count in found.items() if count > judged.get(name, 0)
    }
    assert not wrong, (
        "these write files by themselves: use kprov.provision.atomic (the controller) or "
        f"kprov.provision.agent.atomic (machines), or say here why it need not be: {wrong}"
    )


def test_it_sees_every_way_of_writing() -> None:
    code = (
        "p.write_text('a'); p.write_bytes(b); open(p, 'w');p.open('ab'); os.fdopen(d, mode='w+b'); gzip.open(p, 'wb')"
    )
    assert len(list(writes(ast.parse(code)))) == 6
    assert not list(
        writes(ast.parse("open(p); p.open('rb'); os.fdopen(d, 'rb'); os.open(p, 1); tarfile.open(p, 'r:*')"))
    )
