"""The agent's journey: what is typed on the machine, and the archive that follows it down the standard input."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import shlex
import threading
from collections.abc import Set
from dataclasses import dataclass

from kprov.provision.agent import wire
from kprov.provision.transport import packing
from kprov.provision.transport.target import Target

MARK = b"kprov-agent-1"

# Says which Python this is, takes the agent that was packed for it, starts it. What was sent for another Python is
# passed over; requests that came before the right one are handed on. Tiny: it is an argument of a process, which
# everyone may read; and without line breaks, which some login shells do not take.
_PROGRAM = """import sys,os,zlib,marshal,_frozen_importlib_external as f
from struct import unpack
i=sys.stdin.buffer;m=f.MAGIC_NUMBER;q=[]
os.write(1,("\\nMARK %d.%d.%d %s %d\\n"%(sys.version_info[:3]+(m.hex(),os.geteuid()))).encode())
while 1:
 h=i.read(8)
 if len(h)<8:sys.exit()
 a,b=unpack(">II",h);t=i.read(a);b=i.read(b)
 if t==m:break
 if a-4:q.append((t,b))
a=marshal.loads(zlib.decompress(b));g={};exec(a.pop(""),g);g["start"](a,i,q)
"""
BOOTSTRAP = f"exec({json.dumps(_PROGRAM.replace('MARK', MARK.decode()))})"

# Most machines have the controller's own Python: the agent for it is sent before a machine has said which it has.
LIKELY = importlib.util.MAGIC_NUMBER

SUDO_PROMPT = "[kprov sudo password]"

LONGEST_GREETING = 80

_GREETING = re.compile(MARK + rb" (\d{1,3})\.(\d{1,3})\.(\d{1,3}) ([0-9a-f]{8}) (\d{1,10})\n")


@dataclass(frozen=True)
class Greeting:
    """What the bootstrap says about the Python that runs it."""

    version: tuple[int, int, int]
    magic: bytes
    uid: int


def read_greeting(received: bytes) -> tuple[Greeting, bytes] | None:
    """Find the greeting in what came, after any noise that the login made.

    Returns:
        The greeting and what came after it, or None when it is not there yet.
    """
    match = _GREETING.search(received)
    if match is None:
        return None
    major, minor, micro, magic, uid = match.groups()
    return Greeting((int(major), int(minor), int(micro)), bytes.fromhex(magic.decode()), int(uid)), received[
        match.end() :
    ]


def command(target: Target) -> str:
    """The command line that starts the agent on a machine.

    No secret is ever part of it: sudo's password goes to its standard input when it asks.
    """
    # -I: nothing of the user's environment; -S: no site packages; -B: nothing written.
    python = [target.python, "-I", "-S", "-B", "-c", BOOTSTRAP]
    if not target.become or target.user == target.become_user:
        return "exec " + shlex.join(python)
    sudo = [
        "sudo",
        "-S" if target.become_password is not None else "-n",
        "-p",
        SUDO_PROMPT,
        "-u",
        target.become_user,
        "--",
    ]
    return "exec " + shlex.join([*sudo, *python])


def _frame(magic: bytes, packed: bytes) -> bytes:
    return wire.HEADER.pack(len(magic), len(packed)) + magic + packed


# Many machines are connected to at once, and all want the same: one packs it, the others wait.
_packing = threading.Lock()
_archives: dict[bytes, bytes] = {}
_packed: dict[bytes, packing.Packed] = {}


def archive(magic: bytes) -> bytes:
    """The frame with the whole agent for a Python with this magic number: its text is the magic number."""
    with _packing:
        if magic not in _archives:
            _archives[magic] = _frame(magic, packing.whole(magic))
        return _archives[magic]


def _likely() -> packing.Packed:
    packed = _packed.get(LIKELY)
    if packed is None:
        with _packing:
            packed = _packed.setdefault(LIKELY, packing.Packed(LIKELY))
    return packed


def core() -> bytes:
    """The frame with what the agent starts with, for the likely Python."""
    return _frame(LIKELY, _likely().core)


def missing(module: str, known: Set[str]) -> frozenset[str]:
    """The agent's files that a task needs besides those that an agent knows."""
    return _likely().needs(module) - known


@functools.lru_cache(maxsize=256)
def part(names: frozenset[str]) -> bytes:
    """The frame with some of the agent's files, for the likely Python."""
    return wire.encode({"op": "code", "magic": LIKELY.hex()}, _likely().part(names))
