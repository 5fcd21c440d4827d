"""Secrets are sealed in etcd: the keys that API servers have, their change, and what is sealed with which."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from kprov.provision.cluster.canary import api_servers_answer
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError, Phase
from kprov.provision.engine import Engine
from kprov.provision.inventory import Host
from kprov.provision.kubeapi.client import ClusterApiError
from kprov.provision.pki.keyring import (
    IDENTITY,
    Keyring,
    first_keyring,
    from_configuration,
    load_keyring,
    save_keyring,
)
from kprov.provision.verify.etcdctl import ETCDCTL

CONFIGURATION = "/etc/kubernetes/encryption-config.yaml"
_UNIT = "/etc/systemd/system/kube-apiserver.service"
_PAGE = 200

# Counts Secrets by the key that they are sealed with; what is in them stays on the machine.
_COUNT = r"""
import base64, collections, json, subprocess, sys
told = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True).stdout
found = collections.Counter()
for kv in json.loads(told).get("kvs", []):
    parts = base64.b64decode(kv.get("value", "")).split(b":", 5)
    found[parts[4].decode() if parts[:2] == [b"k8s", b"enc"] and len(parts) == 6 else "identity"] += 1
print(json.dumps(found))
"""


def make_keyring(context: Context, hosts: list[Host]) -> None:
    """Have a key to seal Secrets with: the controller's, else that of the machines, else a new one."""
    engine, folder = context.engine, context.inventory.cluster.state_directory
    with engine.phase("A key that Secrets are sealed with", hosts) as phase:
        keyring = load_keyring(folder)
        if keyring is None:
            calls = {h.name: [("slurp", {"src": CONFIGURATION}), ("stat", {"path": _UNIT})] for h in hosts}
            found = engine.module_all({name: [(m, {**a, "_quiet": True}) for m, a in c] for name, c in calls.items()})
            given = [base64.b64decode(each[0]["content"]).decode() for each in found.values() if not each[0].failed]
            stands = any(not each[1].failed and each[1]["stat"]["exists"] for each in found.values())
            keyring = from_configuration(given[0]) if given else first_keyring(cluster_has_secrets=stands)
            if not engine.compares(hosts[0]):
                save_keyring(folder, keyring)
            phase.record(hosts[0], "Key of the cluster", changed=True)
        for key in (*keyring.keys, *keyring.retired):
            engine.secrets.add(key.secret)
        context.variables["encryption_configuration"] = keyring.configuration()


def seal_secrets(context: Context, hosts: list[Host]) -> None:
    """Bring a change of keys that is under way to its end, where all control-plane machines take part.

    A cluster that had no key gets there in two steps: by now every API server can read with it.
    """
    keyring = load_keyring(context.inventory.cluster.state_directory)
    if keyring is None or keyring.is_settled or context.engine.check:
        return
    absent = [host.name for host in context.inventory.group("control_plane") if host not in hosts]
    if absent:
        context.engine.warn(
            f"the change of the key that Secrets are sealed with waits for {', '.join(absent)}: every API server must "
            "be able to read with it first"
        )
        return
    give_keys(context, hosts, "Let every API server read with the new key")
    finish_rotation(context, hosts)


def rotate_key(context: Context, hosts: list[Host]) -> None:
    """Seal every Secret with a new key, and take the old one away. A rotation that was cut off goes on.

    Raises:
        ClusterError: a control-plane machine does not take part, or an API server does not come back.
    """
    folder = context.inventory.cluster.state_directory
    absent = [host.name for host in context.inventory.group("control_plane") if host not in hosts]
    if absent:
        raise ClusterError(
            f"{', '.join(absent)} does not take part: an API server that lacks the new key could not read Secrets. "
            "Bring it back, or take it out of the inventory"
        )
    keyring = load_keyring(folder)
    if keyring is None:
        raise ClusterError("this cluster has no key yet: `kprov up` makes one")
    if keyring.is_settled:
        save_keyring(folder, keyring.with_new_key())
    give_keys(context, hosts, "Let every API server read with the new key")
    finish_rotation(context, hosts)


def finish_rotation(context: Context, hosts: list[Host]) -> None:
    """Every API server can read with the newest key: write with it, seal all with it, take the others away."""
    folder = context.inventory.cluster.state_directory
    keyring = _keyring(folder)
    if keyring.writes != keyring.newest.name:
        save_keyring(folder, keyring.writing_with_newest())
    give_keys(context, hosts, "Have every API server write with the new key")
    _write_again(context, hosts)
    keyring = _keyring(folder)
    if len(keyring.keys) > 1:
        save_keyring(folder, keyring.without_old_keys())
        give_keys(context, hosts, "Take the old key away")


def give_keys(context: Context, hosts: list[Host], title: str) -> None:
    """Give the keyring to the API servers, one at a time, each ready again before the next.

    Raises:
        ClusterError: one did not take it: the keyring must not go further.
    """
    keyring = _keyring(context.inventory.cluster.state_directory)
    for key in keyring.keys:
        context.engine.secrets.add(key.secret)
    context.variables["encryption_configuration"] = keyring.configuration()
    for host in hosts:
        done = context.engine.run_role(
            "kube-apiserver", [host], title=f"{title}: {host.name}", variables=context.role_variables()
        )
        if not done.ok:
            raise ClusterError(f"{host.name}: its API server did not take the keys; run the same command again")
        api_servers_answer(context, [host])


def _keyring(folder: Path) -> Keyring:
    keyring = load_keyring(folder)
    if keyring is None:
        raise ClusterError(f"the keys that Secrets are sealed with are not in {folder} any more")
    return keyring


def _write_again(context: Context, hosts: list[Host]) -> None:
    """Write every Secret as it is, which seals it with the key that is written with now.

    Raises:
        ClusterError: some are not sealed with it afterwards.
    """
    with context.engine.phase("Seal every Secret with the new key", hosts[:1]) as phase:
        wanted = _keyring(context.inventory.cluster.state_directory).writes
        before = sealed_with(context)
        if set(before) - {wanted}:
            for _ in range(3):  # what is written meanwhile by others is sealed by that
                _touch_all(context)
                if not set(sealed_with(context)) - {wanted}:
                    break
            else:
                left = {name: count for name, count in sealed_with(context).items() if name != wanted}
                raise ClusterError(
                    f"Secrets that are still sealed with another key: {left}. Run the same command again"
                )
        count = sum(number for name, number in before.items() if name != wanted)
        phase.record(hosts[0], "Secrets sealed anew", changed=count > 0, message=str(count))


def _touch_all(context: Context) -> None:
    params = {"limit": str(_PAGE)}
    while True:
        page = context.api.request("GET", "/api/v1/secrets", params=params)
        for secret in page["items"]:
            metadata = secret["metadata"]
            path = f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}"
            try:
                context.api.request("PUT", path, body={"apiVersion": "v1", "kind": "Secret", **secret})
            except ClusterApiError as error:
                if error.code not in (404, 409):  # gone, or written by somebody else just now
                    raise
        if not page["metadata"].get("continue"):
            return
        params["continue"] = page["metadata"]["continue"]


def sealed_with(context: Context) -> dict[str, int]:
    """How many Secrets are sealed in etcd with which key; "identity": not at all.

    Raises:
        ClusterError: no member of etcd answers.
    """
    return count_sealed(context.engine, context.inventory.group("etcd"))


def count_sealed(engine: Engine, hosts: Sequence[Host]) -> dict[str, int]:
    """As `sealed_with`, asked of the first of these machines that answers."""
    command = [*ETCDCTL[:-1], "--command-timeout=60s", "get", "/registry/secrets/", "--prefix", "--write-out=json"]
    said = "none is connected"
    for host in engine.alive(hosts):
        argv = ["python3", "-I", "-c", _COUNT, *command]
        done = engine.module(host, "command", argv=argv, _check=False, _quiet=True)
        if not done.failed:
            found: dict[str, int] = json.loads(str(done["stdout"]))
            return found
        said = f"{host.name}: {done.get('stderr') or done.message}"[-300:]
    raise ClusterError(f"no member of etcd says how Secrets are sealed: {said}")


def recall_keys(context: Context, hosts: list[Host]) -> None:
    """What a restored snapshot is sealed with is read with again."""
    folder = context.inventory.cluster.state_directory
    keyring = load_keyring(folder)
    if keyring is None:
        return
    needed = set(sealed_with(context)) - {IDENTITY} - {key.name for key in keyring.keys}
    retired = {key.name for key in keyring.retired}
    if needed & retired:
        save_keyring(folder, keyring.recalling(needed & retired))
    if unknown := needed - retired:
        context.engine.warn(
            f"Secrets of this snapshot are sealed with keys that are not in {folder}/pki: "
            f"{', '.join(sorted(unknown))}. "
            "They can't be read until encryption-keys.json of that time is back"
        )
    context.variables["encryption_configuration"] = _keyring(folder).configuration()


ROTATE: tuple[Phase, ...] = (
    Phase("Rotate the key of Secrets", "control_plane", procedure=rotate_key, essential=True, whole=True),
)
