"""The units that renew a cluster's certificates by the clock, on the computer that has the authorities' keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kprov.cli.passphrase import CREDENTIAL

SYSTEM_FOLDER = Path("/etc/systemd/system")
"""Of the system's own units; a user's are in ~/.config/systemd/user."""
_INVENTORY = "# Inventory: "


@dataclass(frozen=True, slots=True)
class Credential:
    """Where systemd takes the passphrase of sealed keys from.

    Attributes:
        path: the file.
        encrypted: `systemd-creds encrypt` wrote it; else the passphrase stands in it.
    """

    path: Path
    encrypted: bool = False

    @property
    def line(self) -> str:
        """As a service's unit has it."""
        setting = "LoadCredentialEncrypted" if self.encrypted else "LoadCredential"
        return f"{setting}={CREDENTIAL}:{_literal(str(self.path))}"


@dataclass(frozen=True, slots=True)
class TimerUnits:
    """A timer, and the service that it starts.

    Attributes:
        cluster: its name.
        inventory: the file, absolute.
        command: what is run.
        schedule: when, as systemd's OnCalendar.
        system: of the system, and not of a user.
        credential: where the passphrase of sealed keys comes from.
    """

    cluster: str
    inventory: Path
    command: Sequence[str]
    schedule: str
    system: bool
    credential: Credential | None = None

    @property
    def name(self) -> str:
        """Without the ending."""
        # As systemd-escape does it: what a unit's name can't have is written in hexadecimal.
        return "kprov-renew-" + re.sub(r"[^A-Za-z0-9:_.-]", _in_hexadecimal, self.cluster)

    def service(self) -> str:
        """The text of the service's unit."""
        folder = _literal(str(self.inventory.parent))
        lines = [
            "# Written by `kprov certs timer install`.",
            f"{_INVENTORY}{self.inventory}",
            "[Unit]",
            f"Description=kprov renews the certificates of the cluster {_literal(self.cluster)} that near their end",
            *(["Wants=network-online.target", "After=network-online.target"] if self.system else []),
            "",
            "[Service]",
            "Type=oneshot",
            *(["User=root"] if self.system else []),  # tells programs their home, too
            f"WorkingDirectory={folder}",
            f"ExecStart={' '.join([_program(self.command[0]), *map(_word, self.command[1:])])}",
            *([self.credential.line] if self.credential else []),
            # A run that hangs would keep the next from starting.
            "TimeoutStartSec=2h",
            "NoNewPrivileges=true",
            "UMask=0077",
        ]
        return "\n".join(lines) + "\n"

    def timer(self) -> str:
        """The text of the timer's unit."""
        lines = [
            "# Written by `kprov certs timer install`.",
            "[Unit]",
            f"Description=The certificates of the cluster {_literal(self.cluster)} are renewed in time",
            "",
            "[Timer]",
            f"OnCalendar={self.schedule}",
            "# What fell into a time when this computer was off is done when it is on again.",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
        ]
        return "\n".join(lines) + "\n"

    def crontab(self) -> str:
        """The same as a line for cron, where there is no systemd."""
        import shlex

        return f"17 5 * * *  {shlex.join(self.command)}".replace("%", "\\%")


def inventory_of(service: str) -> str:
    """The inventory that a service of ours, by its text, is for; "" where it is none of ours."""
    return next((line.removeprefix(_INVENTORY) for line in service.splitlines() if line.startswith(_INVENTORY)), "")


def _in_hexadecimal(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in found[0].encode())


def _literal(text: str) -> str:
    """A value in which systemd is to find nothing to fill in."""
    return text.replace("%", "%%")


def _program(path: str) -> str:
    """The first word: no variable is looked for in it."""
    return f'"{_literal(path)}"' if " " in path else _literal(path)


def _word(text: str) -> str:
    """One word of a command line, as systemd reads it (systemd.service, COMMAND LINES)."""
    kept = _literal(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return kept if re.fullmatch(r"[A-Za-z0-9_./=:,@+%-]+", kept) else f'"{kept}"'
