"""An authority is changed for one that somebody else has signed while clients write, also when kprov is killed.

Here it is the front proxy's, whose change restarts least; `benchmarks/certificate_rotation.py` rehearses all of them.
"""

from __future__ import annotations

import base64
import json
import signal
import subprocess
from pathlib import Path

from standing_cluster import StandingCluster, soon

from kprov.provision.verify.writer import Writer

TRUST = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
PKI = "/etc/kubernetes/pki"
NOT_CONCERNED = ("etcd", "kubelet", "kube-scheduler", "kube-controller-manager")
EXTENSIONS = """basicConstraints = critical, CA:TRUE, pathlen:{pathlen}
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def openssl(folder: Path, *words: str) -> None:
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def sign(folder: Path, request: str, signed: str, pathlen: int, *by: str) -> None:
    (folder / "extensions").write_text(EXTENSIONS.format(pathlen=pathlen))
    days = str(30 + pathlen)
    openssl(folder, "x509", "-req", "-in", request, "-days", days, "-extfile", "extensions", "-out", signed, *by)


def signed_elsewhere(folder: Path) -> Path:
    """What an organization makes of front-proxy.csr: with its root, which nobody of the cluster has the key of."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", "root.key")
    openssl(folder, "req", "-new", *key, "-subj", "/CN=Example root", "-out", "root.csr")
    sign(folder, "root.csr", "root.pem", 1, "-signkey", "root.key")
    sign(folder, "front-proxy.csr", "signed.pem", 0, "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial")
    whole = folder / "whole.pem"
    whole.write_text((folder / "signed.pem").read_text() + (folder / "root.pem").read_text())
    return whole


def webhook(authority: str) -> dict[str, object]:
    """A webhook that is asked about nothing, and holds an authority."""
    rule = {
        "apiGroups": ["nothing.example"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["nothings"],
    }
    hook = {
        "name": "nothing.example.org",
        "clientConfig": {"url": "https://127.0.0.1:1/", "caBundle": base64.b64encode(authority.encode()).decode()},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "nothing"},
        "webhooks": [hook],
    }


def test_an_authority_signed_elsewhere_takes_over_while_clients_write(
    standing: StandingCluster, tmp_path: Path
) -> None:
    pki = standing.state / "pki"
    old, key = (pki / "front-proxy-ca.crt").read_text(), (pki / "front-proxy-ca.key").read_text()
    standing.fine("certs", "request", "--authority", "front-proxy", "--directory", str(tmp_path))
    standing.fine("certs", "import", str(signed_elsewhere(tmp_path)))
    standing.api().request("POST", HOOKS, body=webhook(old))
    started = standing.processes("cp2", *NOT_CONCERNED)
    rotate = ("certs", "rotate-ca", "--authority", "front-proxy")
    said: list[str] = []

    def ends() -> bool:
        done = standing.kprov(*rotate)
        assert done.code in (0, 5), done.output  # 5: the machines have not noticed yet that the first one is gone
        said.append(done.output)
        return done.code == 0

    with Writer(standing.api(), "default", "during-new-authority") as writer:
        run = standing.start(*rotate)
        assert run.read_until("Restart daemons"), "".join(run.lines)
        run.end(signal.SIGKILL)
        assert json.loads((pki / "rotation.json").read_text())["front-proxy"]["step"] == "trust-both"
        assert (pki / "front-proxy-ca.key").read_text() == key
        soon("the change of the authority ends", ends, 180)
    assert writer.lost() == ""
    assert "validatingwebhookconfigurations nothing" in said[-1]
    assert (pki / "front-proxy-ca.crt").read_text() == (tmp_path / "whole.pem").read_text()
    assert not any((pki / name).exists() for name in ("rotation.json", "rotation", "external"))
    signer, root = ((tmp_path / name).read_text() for name in ("signed.pem", "root.pem"))
    api = standing.api()
    assert api.request("GET", TRUST)["data"]["requestheader-client-ca-file"] == signer
    (hook,) = api.request("GET", f"{HOOKS}/nothing")["webhooks"]
    assert base64.b64decode(hook["clientConfig"]["caBundle"]).decode() == old + signer
    api.request("DELETE", f"{HOOKS}/nothing")
    for name in standing.own.names:
        assert standing.run(name, f"cat {PKI}/front-proxy-ca.crt") == signer
        assert root not in standing.run(name, f"cat {PKI}/*.crt")
        (tmp_path / "shown.pem").write_text(standing.run(name, f"cat {PKI}/front-proxy-client.crt"))
        openssl(tmp_path, "verify", "-CAfile", "root.pem", "-untrusted", "shown.pem", "shown.pem")
    assert standing.restarted("cp2", started) == set()
