"""The connection to etcd that the flags ask for."""

from __future__ import annotations

from pathlib import Path

from kprov.kube.api.daemon import DaemonError
from kprov.kube.api.flags import Flags
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.storage.etcd import EtcdClient, EtcdOptions
from kprov.kube.apiserver.storage.stored_versions import VersionedEtcd
from kprov.kube.apiserver.stored_kinds import stored_kinds


def connect_etcd(flags: Flags) -> EtcdClient:
    """A client of etcd, which keeps kinds in the versions of stored_kinds and seals values where
    --encryption-provider-config says so.

    Raises: DaemonError where a file cannot be read or followed.
    """
    if not flags.etcd_servers:
        raise DaemonError("--etcd-servers must be given: kprov's API server keeps everything in etcd")
    options = EtcdOptions(tuple(flags.etcd_servers), flags.etcd_cafile, flags.etcd_certfile, flags.etcd_keyfile)
    try:
        if not flags.encryption_provider_config:
            plain = VersionedEtcd(options)
            plain.convert(flags.etcd_prefix, stored_kinds())
            return plain
        from kprov.kube.apiserver.storage.encryption.configuration import EncryptionError, read_configuration
        from kprov.kube.apiserver.storage.encryption.sealed_etcd import SealedEtcd

        try:
            rules = read_configuration(Path(flags.encryption_provider_config))
        except EncryptionError as error:
            raise DaemonError(f"--encryption-provider-config: {error}") from error
        kinds = [(info.group, info.plural, info.storage_prefix) for info in RESOURCES.values()]

        class VersionedSealedEtcd(VersionedEtcd, SealedEtcd):
            """Seals what has been converted, and converts what has been opened."""

        sealed = VersionedSealedEtcd(options, flags.etcd_prefix, kinds, rules)
        sealed.convert(flags.etcd_prefix, stored_kinds())
        return sealed
    except OSError as error:
        raise DaemonError(f"a certificate for etcd cannot be read: {error}") from error
