"""Certificates and the key of Secrets are changed while clients write; what is wrong is told, with what mends it."""

from __future__ import annotations

import base64
import json
import signal

from standing_cluster import StandingCluster, soon

from kprov.provision.kubeapi.client import ClusterApiError
from kprov.provision.verify.high_availability import MAXIMUM_GAP_SECONDS
from kprov.provision.verify.writer import Writer

SERIALS = (
    "for f in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt; "
    "do echo $f $(openssl x509 -in $f -noout -serial); done"
)


def serials(cluster: StandingCluster, name: str) -> dict[str, str]:
    return dict(line.split() for line in cluster.run(name, SERIALS).splitlines())


def test_certificates_are_renewed_while_clients_write(standing: StandingCluster) -> None:
    wanted = {"apiserver", "etcd-server", "etcd-peer", "scheduler"}
    before = serials(standing, "cp2")
    started = standing.processes("cp2", "kubelet", "kube-controller-manager")
    with Writer(standing.api(), "default", "during-renewal") as writer:
        standing.fine("certs", "renew", *wanted)
    assert writer.lost() == ""
    assert writer.outage.acknowledged > 20
    # As when a machine is lost: an election of etcd, and a client's way to the next API server, on a busy host.
    assert writer.outage.longest_gap_seconds < MAXIMUM_GAP_SECONDS, writer.outage
    after = serials(standing, "cp2")
    changed = {path.removeprefix("/etc/kubernetes/pki/") for path in after if after[path] != before[path]}
    assert changed == {"apiserver.crt", "etcd/server.crt", "etcd/peer.crt", "scheduler.crt"}
    # Only what reads them was restarted.
    assert standing.restarted("cp2", started) == set()
    again = standing.json("certs", "renew")
    assert {host["changed"] for host in again["hosts"].values()} == {0}


def test_machines_warn_of_certificates_that_end_soon(standing: StandingCluster) -> None:
    assert standing.run("cp1", "systemctl start kprov-certificates && echo fine").strip() == "fine"
    path = "/etc/kubernetes/pki/scheduler"
    short = f"openssl x509 -in {path}.crt -signkey {path}.key -days 2 -out {path}.crt"
    standing.run("cp1", f"{short} 2>/dev/null; systemctl start kprov-certificates; true")
    assert standing.run("cp1", "systemctl is-failed kprov-certificates").strip() == "failed"
    assert "kprov certs renew" in standing.run("cp1", "journalctl -u kprov-certificates -n 5 -o cat")
    found = standing.kprov("doctor", "--output", "json")
    assert found.code == 4 and "scheduler ends in 1 days" in found.output, found.output
    standing.fine("certs", "renew")
    assert standing.run("cp1", "systemctl start kprov-certificates && echo fine").strip() == "fine"


def word(cluster: StandingCluster, machine: str, number: int) -> str:
    """A Secret's content, as one machine's own API server gives it; one that was just being restarted is waited for."""
    found: list[str] = []

    def look() -> bool:
        try:
            secret = cluster.api(machine).request("GET", f"/api/v1/namespaces/default/secrets/word-{number}")
        except ClusterApiError as error:
            if error.code:
                raise
            return False
        found.append(base64.b64decode(secret["data"]["word"]).decode())
        return True

    soon(f"the API server of {machine} answers", look)
    return found[-1]


def test_the_key_of_secrets_is_rotated_also_when_kprov_is_killed(standing: StandingCluster) -> None:
    api = standing.api()
    for number in range(5):
        data = {"word": base64.b64encode(f"word {number}".encode()).decode()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"word-{number}"}, "data": data}
        api.request("POST", "/api/v1/namespaces/default/secrets", body=body)
    first = standing.json("secrets", "status")
    assert first["settled"] and set(first["sealed_with"]) == set(first["keys"]), first
    with Writer(standing.api(), "default", "during-rotation") as writer:
        run = standing.start("secrets", "rotate")
        assert run.read_until("Have every API server write with the new key: cp2"), "".join(run.lines)
        run.end(signal.SIGKILL)
        for number in range(5):  # some API servers write with the new key, some with the old: all read both
            for name in standing.own.names:
                assert word(standing, name, number) == f"word {number}"
        assert not standing.json("secrets", "status")["settled"]
        standing.fine("secrets", "rotate")
    assert writer.lost() == ""
    last = standing.json("secrets", "status")
    assert last["settled"] and set(last["sealed_with"]) == set(last["keys"]), last
    assert not set(first["keys"]) & set(last["keys"])
    kept = json.loads((standing.state / "pki/encryption-keys.json").read_text())
    for key in (*kept["keys"], *kept["retired"]):
        for path in (standing.state / "runs").rglob("*"):
            assert not path.is_file() or key["secret"] not in path.read_text(errors="replace"), path


def test_status_and_doctor_say_what_is_wrong_and_what_mends_it(standing: StandingCluster) -> None:
    well = standing.kprov("status", "--output", "json")
    assert well.code == 0, well.output
    answers = json.loads(well.output)["answers"]
    assert answers["healthy"] == "yes" and answers["highly available"].startswith("yes"), answers
    standing.run("cp2", "systemctl stop kube-scheduler etcd")
    sick = standing.kprov("status")
    assert sick.code == 4 and "highly available   NO" in sick.output, sick.output
    assert "cp1: etcd's quorum" in sick.output, sick.output
    told = standing.kprov("doctor")
    assert told.code == 4, told.output
    assert "cp2: kube-scheduler does not run" in told.output and "--limit cp2" in told.output
    standing.fine("up", "--no-verify", "--limit", "cp2")
    assert standing.kprov("doctor").output.strip() == "nothing is wrong"
