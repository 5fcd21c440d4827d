"""Gives every machine its certificates: keys are made there and stay there, signatures are made here."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.restarts import files_read_once
from kprov.provision.engine import Result
from kprov.provision.inventory import Host
from kprov.provision.pki.authority import Authorities
from kprov.provision.pki.authority_files import AuthorityFile, authority_files_of
from kprov.provision.pki.catalogue import certificates_of
from kprov.provision.pki.renewal import needs_renewal
from kprov.provision.pki.signing import sign
from kprov.provision.pki.specification import CertificateSpec

Task = tuple[str, dict[str, Any]]


def _content(authorities: Authorities, file: AuthorityFile) -> bytes:
    if file.authority == "service-account":
        account = authorities.service_account
        return account.public_pem if file.part == "public" else account.private_pem
    authority = authorities.by_name(file.authority)
    parts = {
        "trusted": authority.trusted_pem,
        "clients": authority.client_pem,
        "certificate": authority.certificate_pem,
        "key": authority.key_pem,
    }
    return parts[file.part]


def _files_of_authorities(authorities: Authorities, host: Host) -> list[Task]:
    files = authority_files_of(host)
    folders = sorted({str(Path(file.path).parent) for file in files})
    tasks: list[Task] = [("file", {"path": folder, "state": "directory", "mode": "0755"}) for folder in folders]
    for file in files:
        content = _content(authorities, file).decode()
        arguments: dict[str, Any] = {"content": content, "dest": file.path, "mode": file.mode}
        arguments |= {"owner": "root", "group": "root"}
        if file.part == "key":
            arguments["_no_log"] = True
        tasks.append(("copy", arguments))
    return tasks


def _key(spec: CertificateSpec) -> Task:
    return "openssl_privatekey", {
        "path": spec.key_path,
        "type": "ECC",
        "curve": "prime256v1",
        "owner": spec.owner,
        "group": spec.group,
        "mode": "0600",
    }


def _look(spec: CertificateSpec) -> list[Task]:
    """The key, the request that proves it, and the certificate that is there."""
    request = {"privatekey_path": spec.key_path, "common_name": spec.common_name}
    return [_key(spec), ("openssl_csr", request), ("slurp", {"src": spec.path})]


def issue_certificates(context: Context, hosts: list[Host]) -> None:
    """Issue every certificate that is missing, wrong or near its end, and note which daemons must read theirs again."""
    engine, inventory = context.engine, context.inventory
    everyone = list(inventory.hosts.values())
    with engine.phase("Issue certificates", hosts) as phase:
        specs = {host.name: certificates_of(host, inventory.cluster, everyone) for host in hosts}
        files = engine.module_all({host.name: _files_of_authorities(context.authorities, host) for host in hosts})
        looked = engine.module_all(
            {name: [task for spec in mine for task in _look(spec)] for name, mine in specs.items()}
        )
        writes: dict[str, list[Task]] = {}
        for host in hosts:
            answers = looked[host.name]
            # A certificate that is not there yet can't be read: that is no failure.
            if _failed(files[host.name]) or _failed([*answers[0::3], *answers[1::3]]):
                continue
            _note_changed_authorities(context, host, files[host.name])
            tasks: list[Task] = []
            for index, spec in enumerate(specs[host.name]):
                key, request, present = answers[3 * index : 3 * index + 3]
                found = None if present.failed else base64.b64decode(present["content"])
                authority = context.authorities.by_name(spec.authority)
                digest = None if engine.compares(host) and key.changed else key["public_key_sha256"]
                reason = needs_renewal(found, spec, authority, public_key_sha256=digest)
                if reason is None and context.renew & {"all", spec.name}:
                    reason = "it was asked for"
                if reason is None:
                    continue
                if engine.compares(host):
                    phase.record(host, f"Certificate {spec.name}", changed=True, message=reason)
                    continue
                pem = sign(authority, request["csr"], spec) + authority.presented_pem
                arguments = {"content": pem.decode(), "dest": spec.path, "mode": "0644"}
                arguments |= {"owner": spec.owner, "group": spec.group, "_title": f"Certificate {spec.name}"}
                tasks.append(("copy", arguments))
                if found is not None:
                    context.stale_services.setdefault(host.name, set()).update(spec.services)
            if tasks:
                writes[host.name] = tasks
        engine.module_all(writes)


def _note_changed_authorities(context: Context, host: Host, results: Sequence[Result]) -> None:
    for file in authority_files_of(host):
        if any(result.changed and result.get("dest") == file.path for result in results):
            context.stale_services.setdefault(host.name, set()).update(
                set(file.services) & files_read_once(context, host).keys()
            )


def _failed(results: Iterable[Result]) -> bool:
    return any(result.failed for result in results)
