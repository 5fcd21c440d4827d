"""Opens and makes vaults with the passwords that one command was given, and remembers what it revealed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kprov.provision.vault import cipher, envelope
from kprov.provision.vault.envelope import DEFAULT_ID, VaultError, is_encrypted
from kprov.provision.vault.passwords import Ask, PasswordSource

_GIVE_ONE = "give it with --vault-password-file FILE, --vault-id LABEL@FILE or KPROV_VAULT_PASSWORD_FILE"


class Vault:
    """The passwords of one command, each read once, when it is first needed.

    Args:
        sources: where passwords come from, in the order in which they are tried.
        ask: puts a question to a person; None where nobody can be asked. Without sources it is asked for one password.
    """

    def __init__(self, sources: Sequence[PasswordSource] = (), ask: Ask | None = None) -> None:
        self.sources = list(sources) or ([PasswordSource()] if ask else [])
        self._ask = ask
        self._passwords: dict[PasswordSource, bytes] = {}
        self._opened: dict[bytes, bytes] = {}
        self._revealed: set[str] = set()
        self._listeners: list[Callable[[str], None]] = []
        self._lock = threading.RLock()

    @property
    def revealed(self) -> frozenset[str]:
        """Every text that came out of a vault: it must be shown nowhere."""
        return frozenset(self._revealed)

    def on_reveal(self, listener: Callable[[str], None]) -> None:
        """Tell ``listener`` every text that was or will be revealed."""
        with self._lock:
            self._listeners.append(listener)
            for text in self._revealed:
                listener(text)

    def reveal(self, text: str) -> None:
        """Note a text that came out of a vault."""
        with self._lock:
            if text not in self._revealed:
                self._revealed.add(text)
                for listener in self._listeners:
                    listener(text)

    def reveal_all(self, value: Any) -> None:
        """Note every text and number in a value that came out of a vault as a whole."""
        if isinstance(value, Mapping):
            for item in value.values():
                self.reveal_all(item)
        elif isinstance(value, (list, tuple, set)):
            for item in value:
                self.reveal_all(item)
        elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
            text = str(value)
            if "{{" not in text:
                self.reveal(text)

    def is_encrypted(self, data: bytes) -> bool:
        """Whether ``data`` begins as a vault does."""
        return is_encrypted(data)

    def decrypt(self, data: bytes, where: str = "") -> bytes:
        """What a vault holds.

        Args: ``where`` names the file (and line), for errors.
        Raises VaultError: no password fits, or it is damaged.
        """
        with self._lock:
            if data not in self._opened:
                self._opened[data] = self._open(data, where)[0]
            return self._opened[data]

    def open_value(self, text: str) -> str:
        """The text of an inline ``!vault`` value, which is a secret from then on.

        Raises VaultError.
        """
        # A block of YAML may be indented further than its first line.
        sealed = "\n".join(line.strip() for line in text.strip().splitlines()).encode()
        try:
            secret = self.decrypt(sealed).decode("utf-8")
        except UnicodeDecodeError:
            raise VaultError("holds bytes that are not UTF-8 text") from None
        self.reveal(secret)
        return secret

    def _open(self, data: bytes, where: str) -> tuple[bytes, PasswordSource]:
        try:
            parts = envelope.parse(data)
            if not self.sources:
                raise VaultError("is encrypted with Ansible Vault, and there is no vault password", _GIVE_ONE)
            # The password with the vault's own label first; the label is a hint only, as in Ansible.
            for source in sorted(self.sources, key=lambda source: source.label != parts.vault_id):
                try:
                    return cipher.unseal(parts, self._password(source)), source
                except cipher.WrongPassword:
                    continue
                except ValueError:
                    raise VaultError("is a damaged vault: the password fits, but what it holds does not") from None
            labels = ", ".join(source.label for source in self.sources)
            raise VaultError(
                f"can't be opened with the vault password{'s' * (len(self.sources) > 1)} given ({labels}): "
                f"another password, or the vault was changed; its vault id is {parts.vault_id}"
            )
        except VaultError as error:
            if where and not error.file:
                raise error.at(where) from None
            raise

    def encrypt(self, plaintext: bytes, vault_id: str | None = None) -> bytes:
        """A vault that holds ``plaintext``.

        Args: ``vault_id`` chooses one of the sources by its label; may be left out where there is but one.
        Raises VaultError.
        """
        with self._lock:
            source = self.source_for(vault_id)
            return envelope.render(cipher.seal(plaintext, self._password(source), source.label))

    def encrypt_as(self, before: bytes, plaintext: bytes) -> bytes:
        """A vault with the password and the vault id that ``before`` has.

        Raises VaultError as ``decrypt`` does.
        """
        with self._lock:
            password = self._password(self._open(before, "")[1])
            return envelope.render(cipher.seal(plaintext, password, envelope.parse(before).vault_id))

    def check_can_encrypt(self, vault_id: str | None = None) -> None:
        """Read the password now, so that nobody writes a secret for nothing. Raises VaultError."""
        with self._lock:
            self._password(self.source_for(vault_id))

    def source_for(self, vault_id: str | None = None) -> PasswordSource:
        """The source to encrypt with. Raises VaultError where it is not clear which."""
        if not self.sources:
            raise VaultError("there is no vault password to encrypt with", _GIVE_ONE)
        if vault_id is None:
            labels = list(dict.fromkeys(source.label for source in self.sources))
            if len(labels) > 1:
                raise VaultError(
                    f"there are passwords of several vault ids ({', '.join(labels)})",
                    "say which to encrypt with: --encrypt-vault-id LABEL",
                )
            return self.sources[0]
        for source in self.sources:
            if source.label == vault_id:
                return source
        labels = list(dict.fromkeys(source.label for source in self.sources))
        raise VaultError(f"there is no password of vault id {vault_id}", f"there is one of {', '.join(labels)}")

    def _password(self, source: PasswordSource) -> bytes:
        if source not in self._passwords:
            self._passwords[source] = source.read(self._ask)
        return self._passwords[source]


__all__ = ["DEFAULT_ID", "Vault", "VaultError"]
