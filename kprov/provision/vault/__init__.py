"""Ansible Vault: secrets that lie encrypted in files, opened by passwords that do not lie beside them."""

from kprov.provision.vault.envelope import VaultError, is_encrypted
from kprov.provision.vault.passwords import PasswordSource
from kprov.provision.vault.vault import Vault

__all__ = ["PasswordSource", "Vault", "VaultError", "is_encrypted"]
