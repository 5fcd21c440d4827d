"""The agent's journey: what is typed on the machine, and the archive that follows it down the standard input."""

from __future__ import annotations

import functools
import importlib.util
import marshal
import re
import shlex
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from kprov.provision import agent
from kprov.provision.transport.target import Target

MARK = b"kprov-agent-1"

# Says which Python this is, reads the archive, starts it. Tiny: it is an argument of a process, which everyone may
# read.
BOOTSTRAP = (
    "import sys,os,struct,zlib,marshal;from importlib.util import MAGIC_NUMBER as m;i=sys.stdin.buffer;"
    "os.write(1,('\\nkprov-agent-1 %d.%d.%d %s %d\\n'%(sys.version_info[:3]+(m.hex(),os.geteuid()))).encode());"
    "a=marshal.loads(zlib.decompress(i.read(struct.unpack('>I',i.read(4))[0])));"
    "g={};exec(a.pop(''),g);g['start'](a,i)"
)

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


def _sources() -> dict[str, tuple[bool, str]]:
    """The agent's files, by module name."""
    root = Path(agent.__file__).parent
    found: dict[str, tuple[bool, str]] = {"kprov": (True, ""), "kprov.provision": (True, "")}
    for path in sorted(root.rglob("*.py")):
        parts = ["kprov", "provision", "agent", *path.relative_to(root).with_suffix("").parts]
        package = parts[-1] == "__init__"
        found[".".join(parts[:-1] if package else parts)] = (package, path.read_text())
    return found


@functools.cache
def archive(magic: bytes) -> bytes:
    """The agent, packed for a Python with this magic number: compiled where it is the controller's own, else as source.

    Compiling costs a small machine more than everything else in connecting.
    """
    same = magic == importlib.util.MAGIC_NUMBER
    packed: dict[str, object] = {}
    for name, (package, source) in _sources().items():
        if name.endswith(".memory_importer"):
            packed[""] = source
        elif same:
            origin = "<kprov>/" + name.replace(".", "/")
            packed[name] = (
                package,
                True,
                marshal.dumps(compile(source, origin, "exec", dont_inherit=True, optimize=2), 2),
            )
        else:
            packed[name] = (package, False, source.encode())
    data = zlib.compress(marshal.dumps(packed, 2), 9)
    return struct.pack(">I", len(data)) + data
