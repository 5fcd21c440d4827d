"""Gives kubelets certificates of the new authority, which they would ask for only when the old ones near their end.

As with every other certificate the key is made on the machine and stays there. The files are as a kubelet itself writes
them, upstream's or kprov's: ``NAME-DATE.pem`` with certificate and key, and a link ``NAME-current.pem`` to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kprov.provision.cluster.certificates import Task
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.inventory import Host
from kprov.provision.pki.renewal import OTHER_AUTHORITY, needs_renewal
from kprov.provision.pki.signing import sign
from kprov.provision.pki.specification import CertificateSpec
from kprov.provision.verify.certificates import KUBELET, parse, script

FILES = tuple(KUBELET.values())
_KEY = "/var/lib/kubelet/pki/{name}.key.kprov"

# Written beside and renamed: whoever reads meanwhile has the old certificate with its key, or the new one.
_KEEP = """
import os, sys, time
key_path, link, certificate = sys.argv[1:]
folder, name = os.path.split(link)
target = os.path.join(folder, name.replace("-current.pem", time.strftime("-%Y-%m-%d-%H-%M-%S.pem", time.gmtime())))
temporary = target + ".new"
with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
    with open(key_path) as key:
        file.write(certificate.strip() + "\\n" + key.read().strip() + "\\n")
    file.flush()
    os.fsync(file.fileno())
os.rename(temporary, target)
beside = link + ".kprov"
if os.path.lexists(beside):
    os.unlink(beside)
os.symlink(target, beside)
os.rename(beside, link)
os.unlink(key_path)
handle = os.open(folder, os.O_RDONLY)
os.fsync(handle)
"""


def specification_of(name: str, path: str, certificate: x509.Certificate) -> CertificateSpec:
    """What a kubelet's certificate says, to be said again by another authority.

    Raises:
        ValueError: it names nobody.
    """
    names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if not names:
        raise ValueError("its certificate names nobody")
    try:
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        listed = x509.SubjectAlternativeName([])
    try:
        usages = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = set()
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return CertificateSpec(
        name=name,
        authority="cluster",
        common_name=names[0],
        organizations=tuple(
            str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        ),
        dns_names=tuple(listed.get_values_for_type(x509.DNSName)),
        addresses=tuple(str(address) for address in listed.get_values_for_type(x509.IPAddress)),
        server=ExtendedKeyUsageOID.SERVER_AUTH in usages,
        client=ExtendedKeyUsageOID.CLIENT_AUTH in usages,
        lifetime_days=max(1, life.days),
        path=path,
        key_path=_KEY.format(name=name),
    )


def _of_another(context: Context, hosts: Sequence[Host]) -> dict[str, list[CertificateSpec]]:
    """By machine: what its kubelet has of an authority that does not sign (any more)."""
    calls = {host.name: ("shell", {"cmd": script([]), "_check": False, "_quiet": True}) for host in hosts}
    signs = context.authorities.cluster
    due: dict[str, list[CertificateSpec]] = {}
    for host, answer in context.engine.module_all(calls).items():
        answer.raise_if_failed()
        found = parse(answer["stdout"])
        for name, path in KUBELET.items():
            if path not in found:
                continue
            try:
                spec = specification_of(name, path, x509.load_pem_x509_certificate(found[path].encode()))
            except ValueError as error:
                raise ClusterError(f"{host}: {path}: {error}. Take it away and restart the kubelet") from None
            if needs_renewal(found[path], spec, signs) == OTHER_AUTHORITY:
                due.setdefault(host, []).append(spec)
    return due


def reissue_kubelets(context: Context, hosts: list[Host]) -> None:
    """Give every kubelet certificates of the authority that signs now, where it has others.

    Raises:
        ClusterError: what a kubelet has can't be read. TaskFailed where a machine can't do its part.
    """
    engine = context.engine
    with engine.phase("Certificates of the kubelets", hosts) as phase:
        due = _of_another(context, engine.alive(hosts))
        if engine.check:
            for host, specs in due.items():
                for spec in specs:
                    phase.record(host, f"Certificate {spec.name}", changed=True, message=OTHER_AUTHORITY)
            return
        asked = engine.module_all(
            {host: [task for spec in specs for task in _ask(spec)] for host, specs in due.items()}
        )
        writes: dict[str, list[Task]] = {}
        for host, specs in due.items():
            for index, spec in enumerate(specs):
                key, request = asked[host][2 * index : 2 * index + 2]
                key.raise_if_failed()
                request.raise_if_failed()
                pem = sign(context.authorities.cluster, request["csr"], spec).decode()
                argv = ["python3", "-I", "-c", _KEEP, spec.key_path, spec.path, pem]
                writes.setdefault(host, []).append(("command", {"argv": argv, "_title": f"Certificate {spec.name}"}))
        for results in engine.module_all(writes).values():
            for result in results:
                result.raise_if_failed()


def _ask(spec: CertificateSpec) -> list[Task]:
    key = {
        "path": spec.key_path,
        "type": "ECC",
        "curve": "prime256v1",
        "owner": "root",
        "group": "root",
        "mode": "0600",
    }
    return [
        ("openssl_privatekey", {**key, "_title": f"A new key for {spec.name}"}),
        ("openssl_csr", {"privatekey_path": spec.key_path, "common_name": spec.common_name}),
    ]


def kubelets_of_others(context: Context, hosts: Sequence[Host]) -> list[str]:
    """The machines, with the certificate, whose kubelet has one of an authority that does not sign."""
    return [f"{host} {spec.name}" for host, specs in _of_another(context, hosts).items() for spec in specs]
