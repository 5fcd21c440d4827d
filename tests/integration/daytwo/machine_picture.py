"""What a machine is, as far as somebody could have changed it: taken before and after, and compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

# What any machine changes by itself, or keeps as history: logs, caches, the state of systemd and of Debian's tools.
PASSING = (
    "/proc",
    "/sys",
    "/dev",
    "/run/systemd",
    "/run/udev",
    "/run/log",
    "/run/user",
    "/run/lock",
    "/run/sshd.pid",
    "/run/utmp",
    "/run/motd.dynamic",
    "/run/dbus",
    "/run/credentials",
    "/run/agetty.reload",
    "/tmp",
    "/var/tmp",
    "/var/log",
    "/var/cache/apt",
    "/var/cache/debconf",
    "/var/cache/ldconfig",
    "/var/cache/man",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/var/lib/ucf",
    "/run/adduser",
    "/var/lib/private",
    "/etc/ld.so.cache",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/.pwd.lock",
    "/root/.bash_history",
    "/root/.cache",
)

_SCRIPT = """
import hashlib, json, os, subprocess, sys
passing = tuple(json.loads(sys.stdin.read()))
def said(*line):
    return subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.splitlines()
files = {}
for folder, folders, names in os.walk("/", followlinks=False):
    folders[:] = [each for each in folders if os.path.join(folder, each) not in passing]
    for name in names + folders:
        path = os.path.join(folder, name)
        if path in passing or "/__pycache__" in path:
            continue
        try:
            status = os.lstat(path)
            kind = "%o %d:%d" % (status.st_mode, status.st_uid, status.st_gid)
            if os.path.islink(path):
                kind += " -> " + os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as stream:
                    kind += " " + hashlib.sha256(stream.read()).hexdigest()[:16]
        except OSError:
            continue
        files[path] = kind
found = {"files": files}
shown = "${Package}:${Architecture}\\t${Version} ${Status}\\n"
found["packages"] = dict(line.split("\\t", 1) for line in said("dpkg-query", "-Wf", shown))
units = said("systemctl", "list-unit-files", "--no-legend", "--no-pager", "--type=service,socket,timer")
found["unit files"] = {line.split()[0]: line.split()[1] for line in units}
running = said("systemctl", "list-units", "--no-legend", "--no-pager", "--plain", "--type=service", "--state=running")
running += said("systemctl", "list-units", "--no-legend", "--no-pager", "--plain", "--state=failed")
found["running"] = {line.split()[0]: line.split()[3] for line in running}
found["users"] = {line.split(":")[0]: line for line in open("/etc/passwd")}
found["groups"] = {line.split(":")[0]: line for line in open("/etc/group")}
found["sysctl"] = {}
for line in said("sysctl", "-a"):
    name, _, value = line.partition(" = ")
    if name.startswith(("net.ipv4.ip_forward", "net.ipv4.conf.", "net.ipv6.conf.", "net.bridge", "vm.overcommit")):
        found["sysctl"][name] = value
found["nftables"] = {line: "" for line in said("nft", "list", "tables")} if os.path.exists("/usr/sbin/nft") else {}
found["links"] = {line.split()[1].rstrip(":"): "" for line in said("ip", "-o", "link", "show")}
found["addresses"] = {" ".join(line.split()[1:4]): "" for line in said("ip", "-o", "-4", "address", "show")}
found["routes"] = {line: "" for line in said("ip", "-4", "route", "show")}
found["network namespaces"] = {line: "" for line in said("ip", "netns", "list")}
found["mounts"] = {}
for line in open("/proc/self/mountinfo"):
    words = line.split()
    if not words[4].startswith(("/run/user", "/run/credentials", "/proc", "/sys")):
        found["mounts"][words[4]] = line.split(" - ")[1].split()[0]
processes = {}
for line in said("ps", "-eo", "comm="):
    processes[line] = processes.get(line, 0) + 1
everywhere = ("kworker", "ps", "python3", "sh", "sshd", "bash", "(sd-pam)", "systemd")
found["processes"] = {name: "" for name in processes if not name.startswith(everywhere)}
print(json.dumps(found))
"""

Picture = dict[str, dict[str, Any]]


def picture(run: Callable[[str], str]) -> Picture:
    """Take one.

    Args: ``run`` takes a command for the machine's shell and gives what it prints.
    """
    import base64

    packed = base64.b64encode(_SCRIPT.encode()).decode()
    line = f"""echo '{json.dumps(PASSING)}' | python3 -c "import base64;exec(base64.b64decode('{packed}'))" """
    found: Picture = json.loads(run(line))
    return found


def differences(before: Picture, after: Picture) -> list[str]:
    """What is not as it was, a line each."""
    lines = []
    for part in before:
        was, now = before[part], after[part]
        for name in sorted({*was, *now}):
            if was.get(name) != now.get(name):
                lines.append(f"{part}: {name}: was {was.get(name, 'not there')!r}, is {now.get(name, 'not there')!r}")
    return lines
