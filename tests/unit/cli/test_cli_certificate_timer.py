"""``kprov certs timer``: the units as systemd reads them, what is refused, what is called. systemd itself is played."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kprov.cli import certificate_timer
from kprov.cli.exit_codes import ExitCode
from kprov.cli.passphrase import passphrase_given
from kprov.cli.timer_units import Credential, TimerUnits
from kprov.provision.inventory import load
from kprov.provision.pki.authority import open_authorities
from kprov.provision.pki.sealing import reseal

Kprov = Callable[..., Any]
# Writes down how it was called; fails where a file of that name lies beside it.
PLAYED = """#!/bin/sh
echo "$(basename "$0") $*" >> {folder}/calls
if [ "$1" = {verb} ] || [ "$2" = {verb} ]; then echo "that is wrong" >&2; exit 1; fi
case "$0" in *loginctl) echo {linger} ;; *journalctl) echo "it was said" ;; esac
"""


class Played:
    """Programs of systemd that do nothing but to write down how they are called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        self.answers()
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
        monkeypatch.setattr(certificate_timer, "BOOTED", folder)
        self.units = folder / "systemd/user"

    def answers(self, *, fails: str = "nothing", linger: str = "yes") -> None:
        for name in ("systemctl", "journalctl", "loginctl", "systemd-analyze"):
            program = self.folder / name
            program.write_text(PLAYED.format(folder=self.folder, verb=fails, linger=linger))
            program.chmod(0o755)

    def calls(self) -> list[str]:
        """Since it was asked last."""
        path = self.folder / "calls"
        found = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return found


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(tmp_path / "played", monkeypatch)


@pytest.fixture
def state(inventory_file: Path) -> Path:
    """Of a cluster that has been raised from here."""
    folder = load(inventory_file).cluster.state_directory
    open_authorities(folder, lifetime_days=100)
    return folder


def test_it_is_installed_run_once_changed_and_removed(
    kprov: Kprov, inventory_file: Path, played: Played, state: Path
) -> None:
    words = ("certs", "timer", "install", "--user", "-i", inventory_file, "-e", "max_pods=50")
    done = kprov(*words)
    assert done.code == 0 and "    it was said" in done.out, done
    service, timer = (played.units / f"kprov-renew-demo.{kind}" for kind in ("service", "timer"))
    assert f"certs renew -i {inventory_file} -e max_pods=50\n" in service.read_text()
    assert service.stat().st_mode & 0o777 == 0o600
    assert "OnCalendar=*-*-* 05:17:00\n" in timer.read_text()
    calls = played.calls()
    assert calls[:6] == [
        "systemctl --user show-environment",
        "systemd-analyze calendar *-*-* 05:17:00",
        "systemctl --user daemon-reload",
        "systemctl --user enable kprov-renew-demo.timer",
        "systemctl --user restart kprov-renew-demo.timer",
        "systemctl --user start kprov-renew-demo.service",
    ]
    assert "enable-linger" not in done.out
    played.answers(linger="no")
    assert "to have it run always: loginctl enable-linger" in kprov(*words, "--schedule", "weekly").out
    assert "OnCalendar=weekly\n" in timer.read_text()
    played.answers(fails="start")
    failed = kprov(*words)
    assert failed.code == ExitCode.FAILED and "that is wrong The timer stays on" in failed.err
    played.answers()
    played.calls()
    assert kprov("certs", "timer", "remove", "--user", "-i", inventory_file).out.count("deleted") == 2
    assert played.calls() == ["systemctl --user disable --now kprov-renew-demo.timer", "systemctl --user daemon-reload"]
    assert "there is no kprov-renew-demo.timer" in kprov("certs", "timer", "remove", "--user", "-i", inventory_file).out


def test_what_can_not_run_unattended_is_refused_before_anything_is_written(
    kprov: Kprov, inventory_file: Path, played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = ("certs", "timer", "install", "--user", "-i", inventory_file)
    none = kprov(*install)
    assert none.code == ExitCode.FAILED and "install the timer on the computer that has them" in none.err
    state = load(inventory_file).cluster.state_directory
    open_authorities(state, lifetime_days=100)
    file = tmp_path / "passphrase"
    file.write_text("sesame\n")
    file.chmod(0o644)
    assert "are not sealed: leave out the passphrase" in kprov(*install, "--passphrase-file", file).err
    reseal(state, old=None, new="sesame")
    sealed = kprov(*install)
    assert sealed.code == ExitCode.FAILED and "systemd-creds --user encrypt --name=kprov-passphrase" in sealed.err
    assert f"chmod 600 {file}" in kprov(*install, "--passphrase-file", file).err
    file.chmod(0o600)
    both = kprov(*install, "--passphrase-file", file, "--encrypted-passphrase", file)
    assert both.code == ExitCode.USAGE and "give one" in both.err
    asked = kprov(*install, "--passphrase-file", file, "--ask-vault-password")
    assert asked.code == ExitCode.FAILED and "--vault-password-file" in asked.err
    played.answers(fails="show-environment")
    none = kprov(*install, "--passphrase-file", file)
    assert none.code == ExitCode.FAILED and "systemd does not answer: that is wrong. Log in with a session" in none.err
    played.answers(fails="calendar")
    wrong = kprov(*install, "--passphrase-file", file, "--schedule", "now and then")
    assert wrong.code == ExitCode.USAGE and "--schedule 'now and then' is not known to systemd" in wrong.err
    assert not played.units.exists()
    played.answers()
    file.write_text("another")
    assert "the passphrase is not the right one" in kprov(*install, "--passphrase-file", file).err
    assert not played.units.exists()
    file.write_text("sesame")
    assert kprov(*install, "--passphrase-file", file).code == 0
    service = played.units / "kprov-renew-demo.service"
    assert f"LoadCredential=kprov-passphrase:{file}\n" in service.read_text()
    service.write_text(service.read_text().replace(str(inventory_file), "/elsewhere/inventory.yaml"))
    other = kprov(*install, "--passphrase-file", file)
    assert other.code == ExitCode.FAILED and "is for /elsewhere/inventory.yaml" in other.err
    assert kprov("certs", "timer", "remove", "--user", "-i", inventory_file).code == ExitCode.FAILED
    monkeypatch.setattr(certificate_timer, "BOOTED", tmp_path / "none")
    cron = kprov(*install)
    assert cron.code == ExitCode.FAILED and f"17 5 * * *  {certificate_timer._program()[0]} certs renew -i" in cron.err


def test_a_unit_is_given_the_passphrase_by_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KPROV_PASSPHRASE", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert passphrase_given() is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert passphrase_given() is None
    (tmp_path / "kprov-passphrase").write_text("sesame\n")
    assert passphrase_given() == "sesame"
    monkeypatch.setenv("KPROV_PASSPHRASE", "open")
    assert passphrase_given() == "open"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_takes_the_units_whatever_stands_in_them(tmp_path: Path) -> None:
    folder = tmp_path / 'a %n "folder" of $HOME'
    folder.mkdir()
    program = tmp_path / "my %n $HOME" / "kprov"  # systemd refuses programs with quotes
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    words = ["certs", "renew", "-i", str(folder / "it's.yaml"), "-e", 'a=$x \\n %i "q"', ""]
    credential = Credential(folder / "pass phrase", encrypted=True)
    units = TimerUnits("démo 100%", folder / "it's.yaml", [str(program), *words], "Mon 04:00", True, credential)
    assert units.name == r"kprov-renew-d\xc3\xa9mo\x20100\x25"
    paths = [tmp_path / f"{units.name}.service", tmp_path / f"{units.name}.timer"]
    for path, text in zip(paths, (units.service(), units.timer()), strict=True):
        path.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, paths)], capture_output=True, text=True, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if "kprov-renew" in line]
    assert not said and done.returncode == 0, done.stderr
