"""pam_limits: a limit of what users may use is set, or is not there.

Parameters:
    domain: whose: a user, @group, or *.
    limit_type: soft, hard, or - for both.
    limit_item: what is limited.
    value: how much; unlimited, infinity or -1 for no limit.
    comment: said at the end of the line.
    dest: the file.
    use_max: a larger value that is there stays.
    use_min: a smaller value that is there stays.
    state: whether the limit must be there.
    backup: keep the file as it was beside it.

Returns:
    msg: the line.
    backup_file: the path of the backup, where one was made.
"""

from __future__ import annotations

import re
from typing import Any

from kprov.provision.agent import edits
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

_ITEMS = (
    "as", "chroot", "core", "cpu", "data", "fsize", "locks", "maxlogins", "maxsyslogins", "memlock", "msgqueue", "nice",
    "nofile", "nproc", "priority", "rss", "rtprio", "sigpending", "stack",
)  # fmt: skip

PARAMETERS = {
    "domain": Parameter("str", required=True),
    "limit_type": Parameter("str", required=True, choices=("-", "hard", "soft")),
    "limit_item": Parameter("str", required=True, choices=_ITEMS),
    "value": Parameter("str", required=True),
    "comment": Parameter("str", default=""),
    "dest": Parameter("path", default="/etc/security/limits.conf"),
    "use_max": Parameter("bool", default=False),
    "use_min": Parameter("bool", default=False),
    "state": Parameter("str", default="present", choices=("absent", "present")),
    "backup": Parameter("bool", default=False),
}
MUTUALLY_EXCLUSIVE = [("use_max", "use_min")]

_NONE = ("-1", "infinity", "unlimited")


def _number(text: str) -> float:
    return float("inf") if text in _NONE else float(text)


def edited(call: Call, text: str) -> tuple[str, str]:
    """The file's text with the limit, or without it; and the limit's line."""
    key = [call["domain"], call["limit_type"], call["limit_item"]]
    comment = "\t#%s" % call["comment"] if call["comment"] else ""
    lines: list[str] = []
    line, there = "", False
    for each in edits.lines_of(text):
        words = each.partition("#")[0].split()
        if words[:3] != key or len(words) != 4:
            lines.append(each)
            continue
        if call["state"] == "absent":
            continue
        choose = max if call["use_max"] else min if call["use_min"] else None
        value = choose(words[3], call["value"], key=_number) if choose else call["value"]
        line, there = "\t".join([*key, value]) + comment + "\n", True
        lines.append(each if words[3] == value and (not comment or each.rstrip().endswith(comment.strip())) else line)
    if call["state"] == "present" and not there:
        line = "\t".join([*key, call["value"]]) + comment + "\n"
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        end = [index for index, each in enumerate(lines) if re.match(r"^# ?End of file", each)]
        lines.insert(end[-1] if end else len(lines), line)
    return "".join(lines), line.rstrip("\n")


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    value = call["value"]
    if value not in _NONE and not re.match(r"^-?\d+$", value):
        raise ModuleFailed("'value' must be a whole number or unlimited, not %s" % value)
    path = call["dest"] if call["dest"] != PARAMETERS["dest"].default else call.system_path(call["dest"])
    before = edits.read_text(path)
    if before is None and call["state"] == "absent":
        return {"changed": False, "path": path, "msg": ""}
    after, line = edited(call, before or "")
    result = edits.write_back(call, path, before, after)
    result["msg"] = line
    return result
