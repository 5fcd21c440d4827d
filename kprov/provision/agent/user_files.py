"""What an account has on disk: its home, its SSH key."""

from __future__ import annotations

import os
import pwd
from typing import Any

from kprov.provision.agent.call import Call

Changes = list[tuple[str, object, object]]


def make_home(call: Call, entry: pwd.struct_passwd) -> Changes:
    """Make a home that is missing."""
    home = entry.pw_dir
    if not call["create_home"] or not home or os.path.exists(call.system_path(home)) or call["system"]:
        return []
    if not call.check:
        call.run(["mkhomedir_helper", call["name"], call["umask"] or "0022", call["skeleton"] or "/etc/skel"])
    return [("home folder", "absent", home)]


def make_ssh_key(call: Call, entry: pwd.struct_passwd | None) -> tuple[dict[str, Any], Changes]:
    """Make an SSH key where there is none."""
    home = entry.pw_dir if entry is not None else call["home"] or "/home/" + call["name"]
    path = os.path.join(call.system_path(home), call["ssh_key_file"])
    result: dict[str, Any] = {"ssh_key_file": path}
    changes: Changes = []
    if not os.path.exists(path):
        changes.append(("ssh key", None, path))
        if call.check or entry is None:
            return result, changes
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o700)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        bits = ["-b", str(call["ssh_key_bits"])] if call["ssh_key_bits"] else []
        comment = call["ssh_key_comment"] or "ansible-generated on %s" % os.uname().nodename
        words = ["-q", "-t", call["ssh_key_type"], *bits, "-C", comment, "-f", path]
        secret = call["ssh_key_passphrase"]
        if secret:  # read, twice, where an argument would be in every list of processes
            call.run(["ssh-keygen", *words], stdin=(secret + "\n").encode() * 2)
        else:
            call.run(["ssh-keygen", *words, "-N", ""])
        for each in (path, path + ".pub"):
            os.chown(each, entry.pw_uid, entry.pw_gid)
    with open(path + ".pub") as stream:
        result["ssh_public_key"] = stream.read().strip()
    return result, changes
