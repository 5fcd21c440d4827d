"""The catalogue and what is signed from it; openssl is the judge."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kprov.provision.pki.authority import Authorities, open_authorities
from kprov.provision.pki.authority_files import authority_files_of
from kprov.provision.pki.catalogue import CATALOGUE, Cluster, Machine, admin_certificate, certificates_of
from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.expiry import authority_row, row_of, soonest_first
from kprov.provision.pki.kubeconfig import read_certificate, write_admin_kubeconfig
from kprov.provision.pki.renewal import needs_renewal, public_key_digest
from kprov.provision.pki.signing import sign
from kprov.provision.pki.specification import CertificateSpec

Openssl = Callable[..., subprocess.CompletedProcess[str]]
KEY = ec.generate_private_key(ec.SECP256R1())


def request(common_name: str = "whoever", names: tuple[str, ...] = ()) -> bytes:
    """A signing request that asks for ``common_name`` and ``names``."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def spec_of(name: str, machines: list[Machine], cluster: Cluster, host: int = 0) -> CertificateSpec:
    return next(spec for spec in certificates_of(machines[host], cluster, machines) if spec.name == name)


@pytest.mark.parametrize("name", [row.name for row in CATALOGUE])
def test_openssl_accepts_every_certificate(
    name: str, machines: list[Machine], cluster: Cluster, authorities: Authorities, openssl: Openssl, tmp_path: Path
) -> None:
    spec = spec_of(name, machines, cluster)
    authority = authorities.by_name(spec.authority)
    (tmp_path / "c.crt").write_bytes(sign(authority, request(), spec))
    (tmp_path / "ca.crt").write_bytes(authority.certificate_pem)
    for purpose, wanted in (("sslserver", spec.server), ("sslclient", spec.client)):
        done = openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.crt", "c.crt", check=False)
        assert (done.returncode == 0) is wanted, done.stderr
    for dns_name in spec.dns_names:
        assert "does match" in openssl("x509", "-in", "c.crt", "-noout", "-checkhost", dns_name).stdout
    for address in spec.addresses:
        assert "does match" in openssl("x509", "-in", "c.crt", "-noout", "-checkip", address).stdout
    assert "does NOT match" in openssl("x509", "-in", "c.crt", "-noout", "-checkhost", "evil.example.org").stdout
    subject = openssl("x509", "-in", "c.crt", "-noout", "-subject", "-nameopt", "RFC2253").stdout.strip()
    assert subject == "subject=" + ",".join([f"CN={spec.common_name}", *(f"O={o}" for o in spec.organizations)])


def test_the_api_servers_names(machines: list[Machine], cluster: Cluster) -> None:
    spec = spec_of("apiserver", machines, cluster, host=1)
    assert set(spec.dns_names) == {
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "cp1",
        "cp2",
        "cp3",
        "api.example.org",
    }
    assert set(spec.addresses) == {
        "10.96.0.1",
        "127.0.0.1",
        "::1",
        *(f"192.0.2.{i}" for i in (1, 2, 3)),
        *(f"10.0.0.{i}" for i in (1, 2, 3)),
        "203.0.113.7",
    }
    assert spec_of("apiserver", machines, cluster, host=0).subject_alternative_names == spec.subject_alternative_names


def test_who_has_what(machines: list[Machine], cluster: Cluster) -> None:
    on_node = {spec.name: spec.path for spec in certificates_of(machines[3], cluster, machines)}
    assert on_node == {
        "kube-proxy": "/etc/kubernetes/pki/kube-proxy.crt",
        "kprov-node": "/etc/kubernetes/pki/kprov-node.crt",
    }
    trusted = [file.path for file in authority_files_of(machines[3])]
    assert trusted == ["/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/client-ca.crt"]
    on_control_plane = certificates_of(machines[0], cluster, machines)
    assert len(on_control_plane) == len(CATALOGUE)
    assert len({spec.path for spec in on_control_plane}) == len(CATALOGUE)
    assert {spec.owner for spec in on_control_plane if spec.name in ("etcd-server", "etcd-peer")} == {"etcd"}
    private = [file for file in authority_files_of(machines[0]) if file.part == "key"]
    assert {file.mode for file in private} == {"0600"}


class TestSigning:
    def test_a_request_can_ask_for_nothing(
        self, machines: list[Machine], cluster: Cluster, authorities: Authorities
    ) -> None:
        spec = spec_of("kube-proxy", machines, cluster)
        pem = sign(authorities.cluster, request("kubernetes-admin", ("evil.example.org",)), spec)
        certificate = x509.load_pem_x509_certificate(pem)
        assert certificate.subject.rfc4514_string() == "CN=system:kube-proxy"
        with pytest.raises(x509.ExtensionNotFound):
            certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)

    def test_a_forged_request_is_refused(
        self, machines: list[Machine], cluster: Cluster, authorities: Authorities
    ) -> None:
        good = x509.load_pem_x509_csr(request()).public_bytes(serialization.Encoding.DER)
        forged = x509.load_der_x509_csr(good.replace(b"whoever", b"whoeveR"))
        with pytest.raises(PkiError, match="not signed by its own key"):
            sign(
                authorities.cluster,
                forged.public_bytes(serialization.Encoding.PEM),
                spec_of("kube-proxy", machines, cluster),
            )

    def test_rubbish_is_refused(self, machines: list[Machine], cluster: Cluster, authorities: Authorities) -> None:
        with pytest.raises(PkiError, match="not a certificate signing request"):
            sign(authorities.cluster, b"rubbish", spec_of("kube-proxy", machines, cluster))

    def test_the_wrong_authority_is_refused(
        self, machines: list[Machine], cluster: Cluster, authorities: Authorities
    ) -> None:
        with pytest.raises(PkiError, match="must be signed by the authority cluster"):
            sign(authorities.etcd, request(), spec_of("kube-proxy", machines, cluster))

    def test_times_serials_and_identifiers(
        self, machines: list[Machine], cluster: Cluster, authorities: Authorities
    ) -> None:
        now = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
        spec = spec_of("kube-proxy", machines, cluster)
        one, two = (x509.load_pem_x509_certificate(sign(authorities.cluster, request(), spec, now)) for _ in range(2))
        assert one.not_valid_before_utc == now - datetime.timedelta(minutes=5)
        assert one.not_valid_after_utc == now + datetime.timedelta(days=365)
        assert one.serial_number != two.serial_number
        issuer = authorities.cluster.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        named = one.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert named.key_identifier == issuer.digest

    def test_no_certificate_outlives_its_authority(
        self, machines: list[Machine], cluster: Cluster, tmp_path: Path
    ) -> None:
        short = open_authorities(tmp_path, lifetime_days=10).cluster
        spec = spec_of("kube-proxy", machines, cluster)
        certificate = x509.load_pem_x509_certificate(sign(short, request(), spec))
        assert certificate.not_valid_after_utc == short.certificate.not_valid_after_utc
        later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=11)
        with pytest.raises(PkiError, match="expired on"):
            sign(short, request(), spec, later)


class TestRenewal:
    def why(self, authorities: Authorities, machines: list[Machine], cluster: Cluster, **change: object) -> str | None:
        import dataclasses

        spec = spec_of("apiserver", machines, cluster)
        pem = sign(authorities.cluster, request(), spec)
        days = change.pop("days", 0)
        assert isinstance(days, int)
        digest = change.pop("digest", None)
        authority = change.pop("by", authorities.cluster)
        wanted = dataclasses.replace(spec, **change)  # type: ignore[arg-type]
        now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        return needs_renewal(pem, wanted, authority, now, public_key_sha256=digest)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({}, None),
            ({"days": 240}, None),
            ({"days": 250}, "114 days are left of 365"),
            ({"days": 366}, "it expired on"),
            ({"days": -1}, "it is not valid before"),
            ({"dns_names": ("new.example.org",)}, "its names changed: new.example.org missing; api.example.org, cp1"),
            ({"common_name": "other"}, "its subject changed from CN=kube-apiserver to CN=other"),
            ({"organizations": ("x",)}, "its subject changed"),
            ({"client": True}, "its usages changed"),
            ({"digest": "00" * 32}, "its key was changed"),
        ],
    )
    def test_reasons(
        self,
        authorities: Authorities,
        machines: list[Machine],
        cluster: Cluster,
        change: dict[str, object],
        reason: str | None,
    ) -> None:
        found = self.why(authorities, machines, cluster, **change)
        assert found is None if reason is None else found is not None and found.startswith(reason)

    def test_other_authority(self, authorities: Authorities, machines: list[Machine], cluster: Cluster) -> None:
        assert self.why(authorities, machines, cluster, by=authorities.etcd) == "it was signed by another authority"

    def test_the_order_of_names_does_not_matter(
        self, authorities: Authorities, machines: list[Machine], cluster: Cluster
    ) -> None:
        spec = spec_of("apiserver", machines, cluster)
        assert self.why(authorities, machines, cluster, dns_names=tuple(reversed(spec.dns_names))) is None

    def test_nothing_there(self, authorities: Authorities, machines: list[Machine], cluster: Cluster) -> None:
        spec = spec_of("apiserver", machines, cluster)
        assert needs_renewal(None, spec, authorities.cluster) == "there is none"
        assert needs_renewal("rubbish", spec, authorities.cluster) == "it is not a certificate"

    def test_the_digest_is_openssls(
        self, authorities: Authorities, machines: list[Machine], cluster: Cluster, openssl: Openssl, tmp_path: Path
    ) -> None:
        pem = sign(authorities.cluster, request(), spec_of("apiserver", machines, cluster))
        (tmp_path / "c.crt").write_bytes(pem)
        openssl("x509", "-in", "c.crt", "-noout", "-pubkey", "-out", "c.pub")
        openssl("pkey", "-pubin", "-in", "c.pub", "-outform", "DER", "-out", "c.der")
        line = openssl("dgst", "-sha256", "-r", "c.der").stdout
        assert public_key_digest(x509.load_pem_x509_certificate(pem)) == line.split()[0]


def test_admin_kubeconfig(authorities: Authorities, cluster: Cluster, tmp_path: Path, openssl: Openssl) -> None:
    path = tmp_path / "admin.kubeconfig"

    def write(server: str = "https://192.0.2.1:6443") -> str | None:
        return write_admin_kubeconfig(
            path, cluster_name="demo", server=server, authority=authorities.cluster, cluster=cluster
        )

    assert write() == "there is none"
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_bytes()
    assert write() is None
    assert path.read_bytes() == content
    assert write("https://192.0.2.2:6443") == "the server changed from https://192.0.2.1:6443 to https://192.0.2.2:6443"
    path.chmod(0o644)
    assert write("https://192.0.2.2:6443") == "others could read it"
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "c.crt").write_bytes(read_certificate(path) or b"")
    (tmp_path / "ca.crt").write_bytes(authorities.cluster.certificate_pem)
    openssl("verify", "-purpose", "sslclient", "-CAfile", "ca.crt", "c.crt")
    path.write_text("rubbish: [")
    assert write() == "there is none"


def test_expiry_rows(authorities: Authorities, machines: list[Machine], cluster: Cluster) -> None:
    now = datetime.datetime.now(datetime.UTC)
    spec = spec_of("apiserver", machines, cluster)
    pem = sign(authorities.cluster, request(), spec)
    issuer = authorities.cluster.certificate
    rows = [
        row_of("cp1", spec, pem, issuer, now),
        row_of("cp2", spec, pem, issuer, now + datetime.timedelta(days=300)),
        row_of("cp3", spec, pem, issuer, now + datetime.timedelta(days=400)),
        row_of("cp4", spec, None, issuer, now),
        authority_row("cluster", "pki/ca.crt", issuer, now),
    ]
    assert [(row.host, row.state, row.days_left) for row in soonest_first(rows)] == [
        ("cp4", "missing", None),
        ("cp3", "expired", -36),
        ("cp2", "renew", 64),
        ("cp1", "ok", 364),
        ("(controller)", "ok", 3649),
    ]
    assert admin_certificate(cluster).organizations == ("system:masters",)
