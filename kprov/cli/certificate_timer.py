"""``kprov certs timer``: this computer, which has the authorities' keys, renews certificates by the clock.

Machines can't do it themselves but for their kubelets: who could sign there for one machine could sign for all. So it
is done where the keys are, unattended, by a timer of systemd that runs `kprov certs renew`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.options import DEFAULT_INVENTORY, ExtraVars, InventoryPath, Verbose
from kprov.cli.unattended_keys import TimerError, check_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kprov.cli.timer_units import Credential, TimerUnits
    from kprov.provision.inventory import ClusterSettings

app = typer.Typer(help="Renew certificates by the clock, on this computer.", no_args_is_help=True)

BOOTED = Path("/run/systemd/system")
"""There where systemd is at work (sd_booted)."""
_DAILY = "*-*-* 05:17:00"
Schedule = Annotated[str, typer.Option(help="When, as systemd's OnCalendar: daily, Mon 04:00, ...")]
System = Annotated[
    bool | None,
    typer.Option(
        "--system/--user", help="Units of the system, or yours; default: of the system for root.", show_default=False
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="Has the passphrase of sealed keys; yours alone (mode 0600).", show_default=False),
]
EncryptedPassphrase = Annotated[
    Path | None,
    typer.Option(
        help="The same, as `systemd-creds encrypt --name=kprov-passphrase` wrote it for this computer.",
        show_default=False,
    ),
]


@app.command()
def install(
    schedule: Schedule = _DAILY,
    passphrase_file: PassphraseFile = None,
    encrypted_passphrase: EncryptedPassphrase = None,
    system: System = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    extra_vars: ExtraVars = None,
    verbose: Verbose = 0,
) -> None:
    """Have systemd run `kprov certs renew` on this computer every day, and run it once now.

    It changes nothing until a third of a certificate's life is left. It must find its way to the machines without you:
    with an SSH key that asks for nothing. Called again, it puts the timer as it is asked for now.
    """
    credential = _credential(passphrase_file, encrypted_passphrase)
    cluster = _cluster(inventory, extra_vars)
    units = _units(cluster, inventory, extra_vars, schedule, system, credential)
    _refuse_without_systemd(units)
    _check_schedule(schedule)
    check_keys(cluster.state_directory, units.credential, system=units.system)
    folder = _folder(system=units.system)
    _refuse_of_others(folder / f"{units.name}.service", units)
    for path, text in _files(units).items():
        _write(path, text)
        typer.echo(f"wrote {path}")
    _systemctl(units, "daemon-reload")
    # Also where it runs already, so that another schedule holds from now on.
    _systemctl(units, "enable", f"{units.name}.timer")
    _systemctl(units, "restart", f"{units.name}.timer")
    typer.echo(f"{units.name}.timer is on: {schedule}. Its first run, now:")
    _first_run(units)
    if not units.system:
        _tell_of_lingering()


@app.command()
def show(
    schedule: Schedule = _DAILY,
    passphrase_file: PassphraseFile = None,
    encrypted_passphrase: EncryptedPassphrase = None,
    system: System = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    extra_vars: ExtraVars = None,
    verbose: Verbose = 0,
) -> None:
    """Show the units that `install` would write, and the same as a line for cron. Nothing is changed."""
    credential = _credential(passphrase_file, encrypted_passphrase)
    units = _units(_cluster(inventory, extra_vars), inventory, extra_vars, schedule, system, credential)
    for path, text in _files(units).items():
        typer.echo(f"# {path}\n{text}")
    if units.credential is None:
        typer.echo(f"# in a crontab, where there is no systemd:\n# {units.crontab()}")


@app.command()
def remove(
    system: System = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    extra_vars: ExtraVars = None,
    verbose: Verbose = 0,
) -> None:
    """Take the timer away. Certificates stay as they are."""
    units = _units(_cluster(inventory, extra_vars), inventory, extra_vars, _DAILY, system, None)
    present = [path for path in _files(units) if path.exists()]
    if not present:
        typer.echo(f"there is no {units.name}.timer in {_folder(system=units.system)}")
        return
    _refuse_of_others(_folder(system=units.system) / f"{units.name}.service", units)
    if BOOTED.is_dir():
        _systemctl(units, "disable", "--now", f"{units.name}.timer")
    for path in present:
        path.unlink()
        typer.echo(f"deleted {path}")
    if BOOTED.is_dir():
        _systemctl(units, "daemon-reload")


def _credential(plain: Path | None, encrypted: Path | None) -> Credential | None:
    from kprov.cli.run_limits import OptionError
    from kprov.cli.timer_units import Credential

    if plain is not None and encrypted is not None:
        raise OptionError("--passphrase-file and --encrypted-passphrase are two ways to the same: give one")
    if encrypted is not None:
        return Credential(encrypted.absolute(), encrypted=True)
    return None if plain is None else Credential(plain.absolute())


def _cluster(inventory: Path, extra_vars: list[str] | None) -> ClusterSettings:
    from kprov.cli.inventory_source import open_inventory

    return open_inventory(inventory, extra_vars).cluster


def _units(
    cluster: ClusterSettings,
    inventory: Path,
    extra_vars: list[str] | None,
    schedule: str,
    system: bool | None,
    credential: Credential | None,
) -> TimerUnits:
    from kprov.cli.timer_units import TimerUnits

    path = inventory.absolute()
    command = [*_program(), "certs", "renew", "-i", str(path)]
    for each in extra_vars or ():
        command += ["-e", f"@{Path(each[1:]).expanduser().absolute()}" if each.startswith("@") else each]
    command += _vault_options()
    written = "".join([*command, schedule, str(credential.path if credential else "")])
    if any(ord(letter) < ord(" ") for letter in written):
        raise TimerError("a line break or another control character is in the command line: no unit can have it")
    as_root = os.geteuid() == 0
    return TimerUnits(cluster.cluster_name, path, command, schedule, as_root if system is None else system, credential)


def _program() -> list[str]:
    """How this kprov is called, by whoever has another PATH."""
    beside = Path(sys.executable).with_name("kprov")
    found = str(beside) if beside.exists() else shutil.which("kprov")
    if found is None:
        raise TimerError(f"there is no program kprov beside {sys.executable} nor in PATH: install kprov as a package")
    return [found]


def _vault_options() -> list[str]:
    """Where the passwords of vaults come from, for a run that nobody can be asked in."""
    from kprov.cli.invocation import current
    from kprov.cli.vault_options import given_vault

    words = []
    for source in given_vault().sources:
        if source.path is not None:
            words += ["--vault-id", f"{source.label}@{source.path.absolute()}"]
        elif current.vault_ids or current.asks_vault_password:
            raise TimerError("nobody is there to enter a vault password: give it by --vault-password-file")
    return words


def _refuse_without_systemd(units: TimerUnits) -> None:
    if not BOOTED.is_dir():
        raise TimerError(f"systemd is not at work on this computer. In a crontab:\n\n    {units.crontab()}")
    if units.system and os.geteuid() != 0:
        raise TimerError("only root may write the system's units: leave out --system")
    done = _run(units, "systemctl", "show-environment")
    if done.returncode != 0:
        hint = "" if units.system else ". Log in with a session of your own (Debian's packages libpam-systemd and "
        hint += "" if units.system else "dbus-user-session; not by su or sudo), or let root install it"
        raise TimerError(f"systemd does not answer: {done.stderr.strip()}{hint}")


def _check_schedule(schedule: str) -> None:
    from kprov.cli.run_limits import OptionError

    done = subprocess.run(["systemd-analyze", "calendar", schedule], capture_output=True, text=True)
    if done.returncode != 0:
        raise OptionError(
            f"--schedule {schedule!r} is not known to systemd: {done.stderr.strip()}; see systemd.time(7)"
        )


def _folder(*, system: bool) -> Path:
    from kprov.cli.timer_units import SYSTEM_FOLDER

    if system:
        return SYSTEM_FOLDER
    configured = os.environ.get("XDG_CONFIG_HOME")
    return (Path(configured) if configured else Path.home() / ".config") / "systemd/user"


def _files(units: TimerUnits) -> dict[Path, str]:
    folder = _folder(system=units.system)
    return {folder / f"{units.name}.service": units.service(), folder / f"{units.name}.timer": units.timer()}


def _refuse_of_others(service: Path, units: TimerUnits) -> None:
    from kprov.cli.timer_units import inventory_of

    if not service.exists():
        return
    other = inventory_of(service.read_text())
    if other != str(units.inventory):
        whose = f"is for {other}" if other else "was not written by kprov"
        raise TimerError(f"{service} {whose}: two clusters of one name can't have a timer each. Take that away first")


def _write(path: Path, text: str) -> None:
    from kprov.provision import atomic

    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, text, mode=atomic.PRIVATE)  # variables of -e stand in it


def _systemctl(units: TimerUnits, *words: str) -> None:
    done = _run(units, "systemctl", *words)
    if done.returncode != 0:
        raise TimerError(f"systemctl {' '.join(words)}: {done.stderr.strip()}")


def _run(units: TimerUnits, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    line: Sequence[str] = [program, *([] if units.system else ["--user"]), *words]
    return subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def _first_run(units: TimerUnits) -> None:
    service = f"{units.name}.service"
    done = _run(units, "systemctl", "start", service)  # ends when the run does
    logged = _run(units, "journalctl", "--no-pager", "--output=cat", "--lines=15", f"--unit={service}").stdout.rstrip()
    typer.echo("\n".join(f"    {line}" for line in logged.splitlines()))
    if done.returncode != 0:
        raise TimerError(
            f"the first run failed: {done.stderr.strip()} The timer stays on. Mend what is said above, and run the same"
            " command again"
        )


def _tell_of_lingering() -> None:
    done = subprocess.run(
        ["loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value"], capture_output=True, text=True
    )
    if done.stdout.strip() != "yes":
        typer.echo("it runs while you are logged in; to have it run always: loginctl enable-linger")
