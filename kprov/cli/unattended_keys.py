"""Whether the authorities' keys can be opened when nobody is there: what a timer needs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from kprov.cli.exit_codes import ExitCode
from kprov.cli.passphrase import CREDENTIAL

if TYPE_CHECKING:
    from pathlib import Path

    from kprov.cli.timer_units import Credential


class TimerError(Exception):
    """The timer can't be had like this; the message says what to do."""

    exit_code = ExitCode.FAILED


def check_keys(state: Path, credential: Credential | None, *, system: bool) -> None:
    """What would fail in some months fails now.

    Args:
        state: the state directory.
        credential: where a unit has the passphrase from; None: nowhere.
        system: whether it is a unit of the system, and not of a user.

    Raises:
        TimerError: there are no keys, or nobody could open them. SealedError.
    """
    from kprov.provision.pki.authority import is_complete, load_private_key
    from kprov.provision.pki.sealing import is_sealed, key_files

    if not is_complete(state):
        raise TimerError(
            f"the authorities' keys are not in {state / 'pki'}: install the timer on the computer that has them, after "
            "`kprov up`"
        )
    sealed = [path for path in key_files(state) if is_sealed(path)]
    if not sealed:
        if credential is not None:
            raise TimerError("the authorities' keys are not sealed: leave out the passphrase")
        return
    if credential is None:
        user = "" if system else " --user"
        raise TimerError(
            "the authorities' keys are sealed, and nobody is there to give the passphrase when the timer runs. Have "
            f"systemd keep it, readable on this computer alone: `systemd-creds{user} encrypt --name={CREDENTIAL} - "
            "FILE` (systemd 250; for a user 256), and --encrypted-passphrase FILE. Or --passphrase-file FILE, which is "
            "worth as much as the seal: who can read both has the keys. Or renew by hand, when `kprov status` says so"
        )
    passphrase = _read(credential, system=system)
    for path in sealed:
        load_private_key(path, passphrase)


def _read(credential: Credential, *, system: bool) -> str:
    if credential.encrypted:
        whose = [] if system else ["--user"]
        words = ["systemd-creds", *whose, "decrypt", f"--name={CREDENTIAL}", str(credential.path), "-"]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            raise TimerError(f"{credential.path} can't be decrypted here: {done.stderr.strip()}")
        return done.stdout.rstrip("\n")
    try:
        if credential.path.stat().st_mode & 0o077:
            raise TimerError(f"others may read {credential.path}: chmod 600 {credential.path}")
        return credential.path.read_text().rstrip("\n")
    except OSError as error:
        raise TimerError(f"{credential.path} can't be read: {error.strerror}") from None
