"""SSH by the ssh program: one login a machine, kept for a minute after a run (ControlMaster) for the next one.

The user's own ssh_config holds for whatever kprov does not say itself. Nothing secret is in any argument or file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from kprov.provision import atomic
from kprov.provision.transport import bootstrap, host_keys, reasons
from kprov.provision.transport.client_keys import check_files, passphrase_of
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.link import AgentLink, open_link
from kprov.provision.transport.local import LocalPipe
from kprov.provision.transport.openssh_failures import explain
from kprov.provision.transport.runtime_folder import runtime_folder
from kprov.provision.transport.startups import gate_of
from kprov.provision.transport.target import Target

# How long a login is kept for the next run, seconds.
PERSIST = 60

_ASKPASS = """#!/bin/sh
case "$1" in
*passphrase*) printf '%s\\n' "$KPROV_PASSPHRASE_OF_KEY" ;;
*) printf '%s\\n' "$KPROV_PASSWORD_OF_USER" ;;
esac
"""

# Whatever ssh's configuration says: these are what makes a run safe and its end certain.
_ALWAYS = """
Match all
  AddKeysToAgent no
  CheckHostIP no
  ClearAllForwardings yes
  ControlMaster auto
  ControlPersist {persist}
  EscapeChar none
  ForwardAgent no
  ForwardX11 no
  LogLevel INFO
  NumberOfPasswordPrompts 1
  PermitLocalCommand no
  RequestTTY no
  ServerAliveCountMax 4
  TCPKeepAlive yes
  UpdateHostKeys no
  VisualHostKey no
"""


class OpenSSHPipe(LocalPipe):
    """The ssh program as a pipe.

    Args:
        argv: its command line.
        target: where it goes.
        environment: what it gets on top of the controller's own.
    """

    def __init__(self, argv: list[str], target: Target, environment: dict[str, str]) -> None:
        super().__init__(argv, {**os.environ, **environment})
        self._target = target

    def refused(self) -> Unreachable | None:
        """Why ssh did not get as far as the program on the machine; 255 is its own exit code."""
        if self.exit_code() != 255:
            return None
        return explain(self.errors().decode(errors="replace"), self._target)

    def close(self) -> None:
        """End it; the login stays for the next one."""
        with contextlib.suppress(ProcessLookupError):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
        super().close()


def _word(value: str) -> str:
    """A value as ssh_config takes it."""
    if any(letter in value for letter in '"\r\n\0'):
        raise Unreachable(f"{value!r} cannot be given to ssh: it holds a quote or a line break")
    return f'"{value}"'


def _hops(target: Target) -> Iterator[tuple[str, Target]]:
    """The machine and the jump hosts before it, each with the name that ssh knows it by."""
    yield target.ssh_name or target.address, target
    jump, number = target.jump, 0
    while jump is not None:
        yield f"kprov-jump-{number}", jump
        jump, number = jump.jump, number + 1


def _identity(target: Target, accept_new: bool) -> str:
    """What a kept login belongs to: another key, pin or way there is another login."""
    words = [str(accept_new)]
    for name, hop in _hops(target):
        words += [name, hop.address, str(hop.port), hop.user, str(hop.pinned_key), *hop.key_files]
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:20]


def _configuration(target: Target, accept_new: bool, folder: Path) -> str:
    hops = list(_hops(target))
    lines: list[str] = []
    for index, (name, hop) in enumerate(hops):
        identity = _identity(hop, accept_new)
        lines += [
            f"Match originalhost {_word(name)}",
            f"  HostName {_word(hop.address.replace('%', '%%'))}",
            f"  Port {hop.port}",
            f"  User {_word(hop.user)}",
            f"  ControlPath {_word(str(folder / identity).replace('%', '%%'))}",
            f"  ConnectTimeout {max(1, round(hop.connect_timeout))}",
            f"  ServerAliveInterval {max(1, round(hop.silence_timeout / 4))}",
        ]
        lines += [f"  IdentityFile {_word(path.replace('%', '%%'))}" for path in hop.key_files]
        lines += ["  IdentitiesOnly yes"] if hop.key_files else []
        if hop.pinned_key:
            known = folder / f"{identity}.known"
            _write(known, f"kprov-pinned {host_keys.pinned_line(hop)}\n")
            lines += [
                "  HostKeyAlias kprov-pinned",
                f"  UserKnownHostsFile {_word(str(known))}",
                "  GlobalKnownHostsFile none",
                "  StrictHostKeyChecking yes",
            ]
        else:
            lines += [
                f"  UserKnownHostsFile {_word(str(Path('~/.ssh/known_hosts').expanduser()))}",
                f"  StrictHostKeyChecking {'accept-new' if accept_new else 'yes'}",
            ]
        asks = hop.password is not None or passphrase_of(hop) is not None
        lines += [f"  BatchMode {'no' if asks else 'yes'}", f"  PasswordAuthentication {_yes(hop.password)}"]
        lines += [f"  KbdInteractiveAuthentication {_yes(hop.password)}"]
        if index + 1 < len(hops):
            lines += [f"  ProxyJump {hops[index + 1][0]}"]
    own = Path("~/.ssh/config").expanduser()
    includes = [path for path in (own, Path("/etc/ssh/ssh_config")) if path.exists()]
    return "\n".join(lines) + _ALWAYS.format(persist=PERSIST) + "".join(f"Include {_word(str(p))}\n" for p in includes)


def _yes(value: object) -> str:
    return "no" if value is None else "yes"


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that another run may be reading."""
    if path.exists() and path.read_text() == text:
        return
    atomic.write(path, text, mode=mode)


def connect(
    target: Target, *, accept_new: bool = False, warn: Callable[[str], None] | None = None, greet: bool = True
) -> AgentLink:
    """Start an agent on a machine by the ssh program.

    Args:
        target: the machine.
        accept_new: take an unknown host key and remember it.
        warn: told of what a person should know.
        greet: wait until the agent has started; else the first `wait` does.

    Raises:
        Unreachable: why not, and what to do.
    """
    check_files(target)
    program = shutil.which("ssh")
    if program is None:
        raise Unreachable(
            "there is no ssh program on this controller, and kprov_transport is openssh: install it (Debian: "
            "openssh-client) or leave kprov_transport out"
        )
    folder = runtime_folder()
    configuration = folder / f"{_identity(target, accept_new)}.conf"
    _write(configuration, _configuration(target, accept_new, folder))
    hops = list(_hops(target))
    for name, hop in reversed(hops[1:]):
        _open_jump([program, "-F", str(configuration)], name, hop, _answers(hop, folder), warn)
    argv = [program, "-F", str(configuration), "-T", "--", hops[0][0], bootstrap.command(target)]

    def start(greet: bool) -> AgentLink:
        return open_link(target, OpenSSHPipe(argv, target, _answers(target, folder)), greet=greet)

    if (folder / _identity(target, accept_new)).exists():  # a login that is kept
        return start(greet)
    # What the agent says first says also that the login is over.
    return gate_of(target).through(lambda: start(True), patience=target.login_timeout, warn=warn)


def _answers(target: Target, folder: Path) -> dict[str, str]:
    """What ssh's questions for secrets are answered with: the environment, which nobody else can read."""
    environment: dict[str, str] = {}
    password, passphrase = target.password, passphrase_of(target)
    if password is not None or passphrase is not None:
        _write(folder / "askpass", _ASKPASS, 0o700)
        environment = {
            "SSH_ASKPASS": str(folder / "askpass"),
            "SSH_ASKPASS_REQUIRE": "force",
            "KPROV_PASSWORD_OF_USER": password or "",
            "KPROV_PASSPHRASE_OF_KEY": passphrase or "",
        }
    return environment


_jump_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def _open_jump(
    ssh: list[str], name: str, jump: Target, environment: dict[str, str], warn: Callable[[str], None] | None
) -> None:
    """Log in to a jump host, unless a login is kept: ssh itself would not say why it could not.

    Raises:
        Unreachable: why not.
    """
    with _jump_locks[_identity(jump, False)]:
        kept = subprocess.run([*ssh, "-O", "check", "--", name], capture_output=True, stdin=subprocess.DEVNULL)
        if kept.returncode == 0:
            return
        try:
            gate_of(jump).through(
                lambda: _log_in_to_jump(ssh, name, jump, environment), patience=jump.login_timeout, warn=warn
            )
        except Unreachable as reason:
            raise type(reason)(f"through jump host {jump.name}: {reason.message}") from None


def _log_in_to_jump(ssh: list[str], name: str, jump: Target, environment: dict[str, str]) -> None:
    with tempfile.TemporaryFile() as said:  # the login that is kept keeps a pipe open
        try:
            done = subprocess.run(
                [*ssh, "-f", "-N", "-T", "--", name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env={**os.environ, **environment},
                start_new_session=True,
                timeout=jump.connect_timeout + jump.login_timeout,
            )
        except subprocess.TimeoutExpired:
            raise reasons.stuck_login(jump) from None
        if done.returncode != 0:
            said.seek(0)
            raise explain(said.read(65536).decode(errors="replace"), jump)


def forget(target: Target, accept_new: bool = False) -> None:
    """End the logins that are kept for a machine and its jump hosts."""
    folder = runtime_folder()
    configuration = folder / f"{_identity(target, accept_new)}.conf"
    for name, hop in _hops(target):
        if configuration.exists():
            subprocess.run(["ssh", "-F", str(configuration), "-O", "exit", "--", name], capture_output=True, timeout=10)
        for suffix in ("", ".conf", ".known"):
            (folder / f"{_identity(hop, accept_new)}{suffix}").unlink(missing_ok=True)
