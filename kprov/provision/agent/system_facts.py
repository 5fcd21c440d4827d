"""What a machine is made of and who works on it: processors, firmware, keys, the agent's user, facts of its own.

Under Ansible's names, read from /proc, /sys and /etc; a program is started only where somebody has put it into
/etc/ansible/facts.d.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from typing import Any

_LARGEST_FACT = 1 << 20
_DMI = {
    "bios_date": "bios_date", "bios_vendor": "bios_vendor", "bios_version": "bios_version",
    "board_asset_tag": "board_asset_tag", "board_name": "board_name", "board_serial": "board_serial",
    "board_vendor": "board_vendor", "board_version": "board_version",
    "chassis_asset_tag": "chassis_asset_tag", "chassis_serial": "chassis_serial", "chassis_vendor": "chassis_vendor",
    "chassis_version": "chassis_version", "product_name": "product_name", "product_serial": "product_serial",
    "product_uuid": "product_uuid", "product_version": "product_version", "system_vendor": "sys_vendor",
}  # fmt: skip


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(_LARGEST_FACT)
    except OSError:
        return ""


def processors() -> dict[str, Any]:
    """The processors: what they are called, how many there are, and how they are divided."""
    described: list[str] = []
    sockets: set[str] = set()
    cores = threads = 0
    for block in _read("/proc/cpuinfo").split("\n\n"):
        fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
        if "processor" not in fields:
            continue
        threads += 1
        named = (fields.get(name) for name in ("processor", "vendor_id", "model name"))
        described += [value for value in named if value]
        sockets.add(fields.get("physical id", str(threads) if "cpu cores" not in fields else "0"))
        cores = int(fields.get("cpu cores") or 1)
    count, kernel = len(sockets) or 1, os.uname()
    return {
        "ansible_processor": described,
        "ansible_processor_count": count,
        "ansible_processor_cores": cores or 1,
        "ansible_processor_threads_per_core": max(1, threads // (count * (cores or 1))),
        "ansible_processor_nproc": len(os.sched_getaffinity(0)),
        "ansible_machine": kernel.machine,
        "ansible_userspace_bits": "64" if sys.maxsize > 1 << 32 else "32",
        "ansible_userspace_architecture": kernel.machine,
        "ansible_kernel_version": kernel.version,
        "ansible_loadavg": dict(zip(("1m", "5m", "15m"), os.getloadavg())),
        "ansible_fips": _read("/proc/sys/crypto/fips_enabled").strip() == "1",
    }


def hardware() -> dict[str, Any]:
    """What the firmware says: maker, product, serial numbers; NA where it says nothing (or not to this user)."""
    folder = "/sys/class/dmi/id/"
    return {"ansible_" + name: _read(folder + file).strip() or "NA" for name, file in _DMI.items()}


def user() -> dict[str, Any]:
    """Who the agent is, and its environment."""
    import pwd

    found: dict[str, Any] = {
        "ansible_env": dict(os.environ),
        "ansible_real_user_id": os.getuid(),
        "ansible_real_group_id": os.getgid(),
        "ansible_effective_group_id": os.getegid(),
        "ansible_user_uid": os.getuid(),
        "ansible_user_gid": os.getgid(),
    }
    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        return found
    found["ansible_user_gid"] = entry.pw_gid
    found["ansible_user_gecos"] = entry.pw_gecos
    found["ansible_user_dir"] = entry.pw_dir
    found["ansible_user_shell"] = entry.pw_shell
    return found


def host_keys() -> dict[str, Any]:
    """The public halves of sshd's keys."""
    found: dict[str, Any] = {}
    for kind in ("dsa", "rsa", "ecdsa", "ed25519"):
        words = _read("/etc/ssh/ssh_host_%s_key.pub" % kind).split()
        if len(words) > 1:
            found["ansible_ssh_host_key_%s_public_keytype" % kind] = words[0]
            found["ansible_ssh_host_key_%s_public" % kind] = words[1]
    return found


def command_line() -> dict[str, Any]:
    """The kernel's: a word without a value is true; in proc_cmdline one that stands several times has a list."""
    last: dict[str, Any] = {}
    every: dict[str, Any] = {}
    for word in re.findall(r'(?:[^\s"]|"[^"]*")+', _read("/proc/cmdline")):
        name, separator, value = word.partition("=")
        known = value if separator else True
        last[name] = known
        if name not in every:
            every[name] = known
        elif isinstance(every[name], list):
            every[name].append(known)
        else:
            every[name] = [every[name], known]
    return {"ansible_cmdline": last, "ansible_proc_cmdline": every}


def names() -> dict[str, Any]:
    """The machine's domain, and whom it asks for names."""
    dns: dict[str, Any] = {}
    for line in _read("/etc/resolv.conf").splitlines():
        words = re.split(r"[#;]", line)[0].split()
        if not words or len(words) < 2:
            continue
        if words[0] == "nameserver":
            dns.setdefault("nameservers", []).append(words[1])
        elif words[0] == "domain":
            dns["domain"] = words[1]
        elif words[0] in ("search", "sortlist"):
            dns[words[0]] = words[1:]
        elif words[0] == "options":
            parts = (word.partition(":") for word in words[1:])
            dns["options"] = {name: value if separator else True for name, separator, value in parts}
    return {"ansible_dns": dns, "ansible_domain": socket.gethostname().partition(".")[2]}


def lsb(release: dict[str, str], version: str) -> dict[str, Any]:
    """What lsb_release says, from /etc/os-release."""
    return {
        "ansible_lsb": {
            "id": release.get("NAME", "").split(" ")[0],
            "description": release.get("PRETTY_NAME", ""),
            "release": version,
            "codename": release.get("VERSION_CODENAME", ""),
            "major_release": version.split(".")[0],
        }
    }


def own() -> dict[str, Any]:
    """Facts that the machine's keeper has put into /etc/ansible/facts.d: JSON, INI, or programs that print either."""
    folder = "/etc/ansible/facts.d"
    found: dict[str, Any] = {}
    try:
        entries = sorted(name for name in os.listdir(folder) if name.endswith(".fact"))
    except OSError:
        entries = []
    for name in entries:
        path = os.path.join(folder, name)
        found[name[: -len(".fact")].replace("-", "_")] = _own(path)
    return {"ansible_local": found}


def _own(path: str) -> Any:
    import json

    if os.access(path, os.X_OK):
        from kprov.provision.agent import processes
        from kprov.provision.agent.failures import ModuleFailed

        try:
            completed = processes.run([path])
        except ModuleFailed as failure:
            return "error: %s" % failure.message
        if completed.rc != 0:
            return "error: %s ended with exit code %d: %s" % (path, completed.rc, completed.words())
        text = completed.stdout
    else:
        text = _read(path)
    try:
        return json.loads(text)
    except ValueError:
        pass
    import configparser

    parser = configparser.ConfigParser()
    try:
        parser.read_string(text)
        return {section: dict(parser.items(section)) for section in parser.sections()}
    except configparser.Error:
        return "error: %s is neither JSON nor INI" % path


def gather(release: dict[str, str], version: str) -> dict[str, Any]:
    """Every one of these facts."""
    return {
        **processors(),
        **hardware(),
        **user(),
        **host_keys(),
        **command_line(),
        **names(),
        **lsb(release, version),
        **own(),
    }
