"""Everything that may be wrong with a machine before kprov begins: how to bring it about, and what kprov says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

UNUSED = "10.98.0.99"
SILENT = "10.98.0.98"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

FAILED, UNREACHABLE, LOCKED = 1, 3, 5


@dataclass(frozen=True)
class Wrong:
    """One mistake. cp1 is the machine that has it, unless it says otherwise.

    ``breaks`` and ``mends`` are shell lines for the machine, ``here`` and ``here_after`` for the controller.
    ``variables`` are cp1's in the inventory, ``others`` w1's; None takes one away, {folder} is a folder of the test.
    """

    what: str
    message: str
    code: int
    breaks: str = ""
    mends: str = ""
    here: str = ""
    here_after: str = ""
    on: str = "cp1"
    variables: dict[str, Any] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)


def python(statement: str) -> tuple[str, str]:
    """A python3, first in PATH, that does a statement before what it was asked for; and how to take it away."""
    path = "/usr/local/bin/python3"
    # kprov calls: python3 -I -S -B -c PROGRAM
    call = f"exec /usr/bin/python3 -I -S -B -c 'import sys; {statement}; exec(sys.argv[1], {{}})' \"$5\""
    return f"cat > {path} <<'END'\n#!/bin/sh\n{call}\nEND\nchmod 755 {path}", f"rm {path}"


def shown_as(path: str, edit: str) -> tuple[str, str]:
    """A file with another content for a while: ``edit`` is a filter. The file itself is not touched."""
    real = f"$(readlink -f {path})"
    return (
        f"cat {path} | {edit} > /run/shown && chmod 644 /run/shown && mount --bind /run/shown {real}",
        f"umount {real}; rm -f /run/shown",
    )


def tmpfs(path: str, options: str) -> tuple[str, str]:
    """A small file system on a folder."""
    return f"mount -t tmpfs -o {options} tmpfs {path}", f"umount {path}"


def listener(port: int) -> tuple[str, str]:
    """A program that listens on a port of all addresses, and does from when the first line ends."""
    program = (
        f'import os,signal,socket; s=socket.socket(); s.setsockopt(1,2,1); s.bind(("",{port})); s.listen(); '
        "os.fork() and os._exit(0); signal.pause()"
    )
    return (
        f"systemd-run --quiet --unit=listener --property=Type=forking python3 -c '{program}'",
        "systemctl stop listener",
    )


def _row(what: str, message: str, code: int, pair: tuple[str, str] = ("", ""), **more: Any) -> Wrong:
    return Wrong(what, message, code, pair[0], pair[1], **more)


NO_SYSTEMD = python('import os.path; d=os.path.isdir; os.path.isdir=lambda p: p!="/run/systemd/system" and d(p)')

CONNECTING: tuple[Wrong, ...] = (
    _row(
        "the machine shows another host key than kprov_host_key",
        "has another host key than the known one",
        UNREACHABLE,
        variables={"kprov_host_key": OTHER_KEY},
    ),
    _row(
        "kprov_host_key is of a kind that the machine does not have",
        "expected ecdsa-sha2-nistp256",
        UNREACHABLE,
        variables={"kprov_host_key": "{ecdsa_key}"},
    ),
    _row(
        "the machine shows another host key than known_hosts has",
        "correct the line of 10.98.0.11 in known_hosts",
        UNREACHABLE,
        here=f"mkdir -p $HOME/.ssh && echo '10.98.0.11 {OTHER_KEY}' > $HOME/.ssh/known_hosts",
        variables={"kprov_host_key": None},
    ),
    _row(
        "the host key is neither in the inventory nor in known_hosts",
        "the host key of cp1 (10.98.0.11) is not known",
        UNREACHABLE,
        variables={"kprov_host_key": None},
    ),
    _row(
        "the user does not exist",
        "10.98.0.11 does not let kubernetes in",
        UNREACHABLE,
        variables={"ansible_user": "kubernetes"},
    ),
    _row(
        "the machine does not accept the key",
        "10.98.0.11 does not let root in; tried: key {folder}/other",
        UNREACHABLE,
        here="ssh-keygen -q -t ed25519 -N '' -f {folder}/other",
        variables={"ansible_ssh_private_key_file": "{folder}/other"},
    ),
    _row(
        "the key is sealed with a passphrase",
        "is sealed with a passphrase: add it to ssh-agent (ssh-add)",
        UNREACHABLE,
        here="ssh-keygen -q -t ed25519 -N secret -f {folder}/sealed",
        variables={"ansible_ssh_private_key_file": "{folder}/sealed"},
    ),
    _row(
        "nothing listens on the SSH port",
        "10.98.0.11:2222 refuses connections: is sshd running there, and is the port right?",
        UNREACHABLE,
        variables={"ansible_port": 2222},
    ),
    _row(
        "the name has no address",
        "the name cp1.invalid of cp1 has no address",
        UNREACHABLE,
        variables={"ansible_host": "cp1.invalid", "node_address": "10.98.0.11"},
    ),
    _row(
        "no machine has the address",
        f"{UNUSED}:22 cannot be reached",
        UNREACHABLE,
        variables={"ansible_host": UNUSED},
    ),
    _row(
        "the machine is silent (off, or behind a firewall)",
        f"{SILENT}:22 did not answer within 10 s (timeout connect)",
        UNREACHABLE,
        here=f"ip neigh replace {SILENT} lladdr 02:00:00:00:00:98 dev kp-wrong nud permanent",
        here_after=f"ip neigh del {SILENT} dev kp-wrong",
        variables={"ansible_host": SILENT},
    ),
    _row(
        "something else than an SSH server listens on the port",
        "what answers on 10.98.0.11:2223 is no SSH server",
        UNREACHABLE,
        (
            "systemd-run --quiet --unit=listener python3 -m http.server 2223 && "
            "until python3 -c \"import socket;socket.create_connection(('127.0.0.1',2223))\" 2>/dev/null; do :; done",
            "systemctl stop listener",
        ),
        variables={"ansible_port": 2223},
    ),
    _row(
        "the jump host is silent",
        f"through jump host root@{UNUSED}: {UNUSED}:22",
        UNREACHABLE,
        variables={"kprov_jump_host": f"root@{UNUSED}"},
    ),
    _row(
        "the jump host cannot reach the machine",
        f"jump host w1 cannot reach {UNUSED}:22",
        UNREACHABLE,
        variables={"kprov_jump_host": "w1", "ansible_host": UNUSED},
    ),
    _row(
        "the user may log in, but has no shell",
        "the login shell of debian on cp1 does not run commands",
        UNREACHABLE,
        ("usermod -s /usr/sbin/nologin debian", "usermod -s /bin/bash debian"),
        variables={"ansible_user": "debian", "ansible_become": True},
    ),
    _row(
        "the user is not root, and ansible_become is false",
        "debian is not root on cp1",
        UNREACHABLE,
        variables={"ansible_user": "debian", "ansible_become": False},
    ),
    _row(
        "the user is not root, and sudo is not installed",
        "there is no sudo on cp1 and debian is not root",
        UNREACHABLE,
        ("mv /usr/bin/sudo /usr/bin/sudo.away", "mv /usr/bin/sudo.away /usr/bin/sudo"),
        variables={"ansible_user": "debian", "ansible_become": True},
    ),
    _row(
        "sudo asks for a password, and the inventory has none",
        "sudo on cp1 asks ops for a password",
        UNREACHABLE,
        variables={"ansible_user": "ops", "ansible_become": True},
    ),
    _row(
        "ansible_become_password is wrong",
        "sudo refused the password of ops",
        UNREACHABLE,
        variables={"ansible_user": "ops", "ansible_become": True, "ansible_become_password": "bal"},
    ),
    _row(
        "the user may not use sudo",
        "ops may not use sudo on cp1",
        UNREACHABLE,
        ("mv /etc/sudoers.d/lab /root/sudoers.away", "mv /root/sudoers.away /etc/sudoers.d/lab"),
        variables={"ansible_user": "ops", "ansible_become": True, "ansible_become_password": "lab"},
    ),
    _row(
        "python3 is not installed",
        "there is no python3 on cp1",
        UNREACHABLE,
        ("mv /usr/bin/python3 /usr/bin/python3.away", "mv /usr/bin/python3.away /usr/bin/python3"),
    ),
    _row(
        "python3 is not installed, for a user who uses sudo",
        "there is no python3 on cp1",
        UNREACHABLE,
        ("mv /usr/bin/python3 /usr/bin/python3.away", "mv /usr/bin/python3.away /usr/bin/python3"),
        variables={"ansible_user": "debian", "ansible_become": True},
    ),
    _row(
        "ansible_python_interpreter is not there",
        "there is no /opt/python/bin/python3 on cp1",
        UNREACHABLE,
        variables={"ansible_python_interpreter": "/opt/python/bin/python3"},
    ),
    _row(
        "python3 is too old",
        "python3 is Python 3.7.3; 3.9 or newer is needed",
        UNREACHABLE,
        python("sys.version_info=(3,7,3)"),
    ),
    _row(
        "two hosts of a cluster's inventory are one machine",
        "is the same machine as another one of this inventory",
        UNREACHABLE,
        ("ip address add 10.98.0.111/24 dev host0", "ip address del 10.98.0.111/24 dev host0"),
        others={"ansible_host": "10.98.0.111", "kprov_host_key": "{key_of_cp1}"},
    ),
)

PREFLIGHT: tuple[Wrong, ...] = (
    _row(
        "the operating system is not Debian",
        "cp1: runs Ubuntu 24.04, which kprov does not support",
        FAILED,
        shown_as(
            "/etc/os-release", "sed 's/^NAME=.*/NAME=Ubuntu/; s/^ID=.*/ID=ubuntu/; s/^VERSION_ID=.*/VERSION_ID=24.04/'"
        ),
    ),
    _row(
        "Debian is too old",
        "cp1: runs Debian 11, which kprov does not support",
        FAILED,
        (
            "sed s/^VERSION_ID=.*/VERSION_ID=11/ /etc/os-release > /run/shown; echo bullseye/sid > /run/shown2; "
            "mount --bind /run/shown $(readlink -f /etc/os-release); mount --bind /run/shown2 /etc/debian_version",
            "umount $(readlink -f /etc/os-release) /etc/debian_version; rm /run/shown /run/shown2",
        ),
    ),
    _row(
        "the processor is not x86_64",
        "cp1: is a machine of architecture aarch64",
        FAILED,
        python('import os; u=os.uname(); os.uname=lambda: os.uname_result((*u[:4], "aarch64"))'),
    ),
    _row(
        "systemd does not run the machine",
        "cp1: is run by init, not by systemd",
        FAILED,
        (
            NO_SYSTEMD[0] + "\necho init > /run/shown; mount --bind /run/shown /proc/1/comm",
            NO_SYSTEMD[1] + "; umount /proc/1/comm; rm /run/shown",
        ),
    ),
    _row(
        "too little memory",
        "cp1: has 976 MB of memory, a machine of control_plane needs 1700",
        FAILED,
        shown_as("/proc/meminfo", "sed 's/^MemTotal:.*/MemTotal: 1000000 kB/'"),
    ),
    _row(
        "too little room",
        "cp1: has 100 MB free for /opt (on /opt), it needs 400",
        FAILED,
        tmpfs("/opt", "size=100m"),
    ),
    _row(
        "too few inodes",
        "inodes left on /opt",
        FAILED,
        tmpfs("/opt", "size=900m,nr_inodes=1000"),
    ),
    _row(
        "a file system is read-only",
        "cp1: has /opt on a read-only file system (/opt)",
        FAILED,
        tmpfs("/opt", "size=900m,ro"),
    ),
    _row(
        "the clock is five minutes ahead",
        "cp1: has a clock 300 s ahead of the controller's",
        FAILED,
        python("import time; t=time.time; time.time=lambda: t()+300"),
    ),
    _row(
        "the clock is five minutes behind",
        "cp1: has a clock 300 s behind the controller's",
        FAILED,
        python("import time; t=time.time; time.time=lambda: t()-300"),
    ),
    _row(
        "node_address is not an address of the machine",
        "cp1: does not have the address 10.98.0.77, it has 10.98.0.11",
        FAILED,
        variables={"node_address": "10.98.0.77"},
    ),
    _row(
        "the pod network overlaps a network of the machine",
        "cp1: has the address 10.244.7.1, which lies in pod_network_cidr 10.244.0.0/16",
        FAILED,
        ("ip address add 10.244.7.1/24 dev lo", "ip address del 10.244.7.1/24 dev lo"),
    ),
    _row(
        "the Service network overlaps a network of the machine",
        "cp1: has the address 10.96.0.1, which lies in service_network_cidr 10.96.0.0/16",
        FAILED,
        ("ip address add 10.96.0.1/24 dev lo", "ip address del 10.96.0.1/24 dev lo"),
    ),
    _row(
        "something listens on the API server's port",
        "cp1: has somebody listening on TCP port 6443 already",
        FAILED,
        listener(6443),
    ),
    _row(
        "something listens on etcd's port",
        "cp1: has somebody listening on TCP port 2379 already",
        FAILED,
        listener(2379),
    ),
    _row(
        "something listens on the kubelet's port",
        "w1: has somebody listening on TCP port 10250 already",
        FAILED,
        listener(10250),
        on="w1",
    ),
    _row(
        "another manager of containers is installed",
        "cp1: has the package docker.io, which manages containers too",
        FAILED,
        shown_as(
            "/var/lib/dpkg/status",
            "(cat; printf 'Package: docker.io\\nStatus: install ok installed\\nArchitecture: amd64\\n"
            "Version: 20.10\\nMaintainer: x\\nDescription: x\\n\\n')",
        ),
    ),
    _row(
        "two machines have one machine id (clones)",
        "w1: has the same machine id as cp1",
        FAILED,
        shown_as("/etc/machine-id", "(cat > /dev/null; echo {machine_id_of_cp1})"),
        on="w1",
    ),
    _row(
        "the machine has no machine id",
        "cp1: has no /etc/machine-id",
        FAILED,
        shown_as("/etc/machine-id", "(cat > /dev/null)"),
    ),
)
