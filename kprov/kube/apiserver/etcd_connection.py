"""The connection to etcd that the flags ask for."""

from __future__ import annotations

from pathlib import Path

from kprov.kube.api.daemon import DaemonError
from kprov.kube.api.flags import Flags
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.storage.etcd import EtcdClient, EtcdOptions


def connect_etcd(flags: Flags) -> EtcdClient:
    """A client of etcd, which seals values where --encryption-provider-config says so.

    Raises: DaemonError where a file cannot be read or followed.
    """
    if not flags.etcd_servers:
        raise DaemonError("--etcd-servers must be given: kprov's API server keeps everything in etcd")
    options = EtcdOptions(tuple(flags.etcd_servers), flags.etcd_cafile, flags.etcd_certfile, flags.etcd_keyfile)
    try:
        if not flags.encryption_provider_config:
            return EtcdClient(options)
        from kprov.kube.apiserver.storage.encryption.configuration import EncryptionError, read_configuration
        from kprov.kube.apiserver.storage.encryption.sealed_etcd import SealedEtcd

        try:
            rules = read_configuration(Path(flags.encryption_provider_config))
        except EncryptionError as error:
            raise DaemonError(f"--encryption-provider-config: {error}") from error
        kinds = [(info.group, info.plural, info.storage_prefix) for info in RESOURCES.values()]
        return SealedEtcd(options, flags.etcd_prefix, kinds, rules)
    except OSError as error:
        raise DaemonError(f"a certificate for etcd cannot be read: {error}") from error
