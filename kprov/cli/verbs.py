"""The verbs of ``kprov``: which module each lives in. A module is imported only when its verb is called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: the module in kprov.cli that has its typer app, and its line in ``kprov --help``."""

    module: str
    help: str


VERBS: dict[str, Verb] = {
    "plan": Verb("plan", "Show what `up` would change, with diffs; change nothing."),
    "up": Verb("up", "Turn the machines of an inventory into a cluster, or bring one up to date."),
    "verify": Verb("verify", "Check that the cluster answers and is highly available."),
    "status": Verb("status", "Show on one screen how the cluster stands."),
    "doctor": Verb("doctor", "Say what is wrong with the cluster, and which command mends it."),
    "upgrade": Verb("upgrade", "Move the cluster to another release."),
    "node": Verb("node", "Add, drain, replace or remove machines."),
    "etcd": Verb("etcd", "Look after etcd: members, snapshots, the way back, upkeep."),
    "backup": Verb("backup", "Save the cluster's state."),
    "restore": Verb("restore", "Bring the cluster's state back."),
    "reset": Verb("reset", "Take everything that kprov put there off the machines."),
    "certs": Verb("certs", "List, renew and rotate certificates; seal the authorities' keys."),
    "secrets": Verb("secrets", "Rotate the key that Secrets are sealed with in etcd."),
    "run": Verb("run", "Run playbooks of your own, in Ansible's terms."),
    "exec": Verb("exec", "Run a command on some machines, now."),
    "module": Verb("module", "Run one module on some machines, now; list modules and read their manuals."),
    "runs": Verb("runs", "Show what runs did, and how they differ."),
    "report": Verb("report", "Show a run as a page in the browser."),
    "connections": Verb("connections", "List or end the connections that runs left to the next run."),
    "inventory": Verb("inventory", "List and explain an inventory, or make one."),
    "vault": Verb("vault", "Keep secrets encrypted, as ansible-vault does."),
    "bundle": Verb("bundle", "Gather what machines need, once, to be shipped over SSH."),
    "lab": Verb("lab", "Machines for trying kprov without hardware."),
}


def available() -> dict[str, Verb]:
    """The verbs whose module is there, in the order in which help shows them."""
    folder = Path(__file__).parent
    return {
        name: verb
        for name, verb in VERBS.items()
        if (folder / f"{verb.module}.py").exists() or (folder / verb.module / "__init__.py").exists()
    }
