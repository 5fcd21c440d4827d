"""reboot: the machine starts anew, and is waited for until it has done so and works."""

from __future__ import annotations

import shlex
import time
from typing import Any

from kprov.provision.agent.parameters import Parameter
from kprov.provision.engine.errands.machine import ErrandFailed, Machine, NotYet
from kprov.provision.transport.errors import Unreachable

PARAMETERS = {
    "boot_time_command": Parameter("str", default="cat /proc/sys/kernel/random/boot_id"),
    "connect_timeout": Parameter("int", aliases=("connect_timeout_sec",)),
    "msg": Parameter("str", default="Reboot initiated by kprov"),
    "post_reboot_delay": Parameter("int", default=0, aliases=("post_reboot_delay_sec",)),
    "pre_reboot_delay": Parameter("int", default=0, aliases=("pre_reboot_delay_sec",)),
    "reboot_command": Parameter("str"),
    "reboot_timeout": Parameter("int", default=600, aliases=("reboot_timeout_sec",)),
    "search_paths": Parameter(
        "list", elements="str", default=["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin"]
    ),
    "test_command": Parameter("str", default="whoami"),
}
EXPLAINED = {
    "boot_time_command": "a command line whose output is another one after each start of the machine.",
    "connect_timeout": "seconds for one attempt to connect; what the run says where it is not given.",
    "msg": "what those who are logged in are told.",
    "post_reboot_delay": "seconds before the machine is looked for.",
    "pre_reboot_delay": "seconds before it goes down, in whole minutes; less than one is none.",
    "reboot_command": "a command line that starts it anew, instead of shutdown.",
    "reboot_timeout": "seconds until it must be back, and then until the test command must succeed.",
    "search_paths": "folders in which shutdown is looked for.",
    "test_command": "a command line that succeeds when the machine can be worked on.",
}
RETURNS = {
    "rebooted": "whether it started anew.",
    "elapsed": "the seconds that it took.",
}

# A command that takes the machine away may never answer.
_LAST_WORD = 60.0


def run(given: dict[str, Any], machine: Machine) -> dict[str, Any]:
    """Start it anew and wait for it."""
    if machine.is_controller:
        raise ErrandFailed("it would start the controller itself anew, and this run with it", rebooted=False, elapsed=0)
    if machine.check:
        return {"changed": True, "rebooted": True, "elapsed": 0}
    before = _boot(given, machine)
    command = _command(given, machine)
    begun = time.monotonic()
    try:
        _go_down(command, machine)
        time.sleep(max(0, given["post_reboot_delay"]))
        _come_back(given, machine, before)
    except ErrandFailed as failure:
        failure.data.setdefault("elapsed", int(time.monotonic() - begun))
        raise
    return {"changed": True, "rebooted": True, "elapsed": int(time.monotonic() - begun)}


def _boot(given: dict[str, Any], machine: Machine) -> str:
    answer = machine.ask("shell", cmd=given["boot_time_command"])
    if answer.get("failed"):
        raise ErrandFailed(f"boot_time_command: {answer.get('msg')}", rebooted=False)
    return str(answer["stdout"]).strip()


def _command(given: dict[str, Any], machine: Machine) -> str:
    if given["reboot_command"]:
        return str(given["reboot_command"])
    found = machine.ask("find", paths=given["search_paths"], patterns=["shutdown"], file_type="any")
    paths = [str(each["path"]) for each in found.get("files") or []]
    if not paths:
        places = ", ".join(given["search_paths"])
        raise ErrandFailed(f"there is no shutdown in {places}: write reboot_command", rebooted=False)
    first = min(paths, key=lambda path: _place(path, given["search_paths"]))
    minutes = max(0, given["pre_reboot_delay"]) // 60
    return f"{shlex.quote(first)} -r +{minutes} {shlex.quote(given['msg'])}"


def _place(path: str, folders: list[str]) -> int:
    folder = path.rpartition("/")[0]
    return folders.index(folder) if folder in folders else len(folders)


def _go_down(command: str, machine: Machine) -> None:
    try:
        answer = machine.ask("shell", cmd=command, timeout=_LAST_WORD)
    except Unreachable:  # it was faster than its own answer
        answer = {}
    if answer.get("failed") and answer.get("rc") not in (-9, -15):
        raise ErrandFailed(f"the command to start it anew failed: {answer.get('msg')}", rebooted=False)
    machine.disconnect()


def _come_back(given: dict[str, Any], machine: Machine, before: str) -> None:
    once = float(given["connect_timeout"] or 0)

    def is_back(left: float) -> None:
        machine.connect_anew(min(left, once) if once else left)
        answer = machine.ask("shell", cmd=given["boot_time_command"])
        now = str(answer.get("stdout") or "").strip()
        if answer.get("failed") or not now:
            raise NotYet(f"boot_time_command: {answer.get('msg') or 'it said nothing'}")
        if now == before:
            raise NotYet("it has not gone down yet")

    def works(left: float) -> None:
        try:
            answer = machine.ask("shell", cmd=given["test_command"])
        except Unreachable as error:
            machine.connect_anew(min(left, once) if once else left)
            raise NotYet(error.message) from None
        if answer.get("failed"):
            raise NotYet(f"test_command: {answer.get('msg')}")

    seconds = given["reboot_timeout"]
    try:
        machine.until(is_back, f"{machine.name} to be back", seconds, "reboot_timeout")
        machine.until(works, f"{machine.name} to work again", seconds, "reboot_timeout")
    except ErrandFailed as failure:
        failure.data["rebooted"] = True
        raise
