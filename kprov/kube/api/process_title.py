"""Makes a Python process show upstream's name and flags in ``ps``: security scanners read them from there.

The kernel reads a process's command line from the process's own memory, so it is rewritten there in place, with a NUL
after each argument, as an exec would have left it. setproctitle can only write one long argument; it is the fallback.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def set_process_title(name: str, arguments: Sequence[str] = ()) -> None:
    """Show `name` as command name and argv[0], and `arguments` after it.

    Args:
        name: upstream's name of the program; the kernel keeps 15 characters of it as the command name.
        arguments: the flags, as they were given.
    """
    words = [name, *arguments]
    try:
        _rewrite_command_line(b"".join(word.encode() + b"\0" for word in words))
    except (OSError, ValueError):
        import setproctitle

        setproctitle.setproctitle(" ".join(words))
    try:
        Path("/proc/self/comm").write_text(name[:15])
    except OSError:
        pass  # the name of the interpreter stays; nothing depends on it


def _rewrite_command_line(text: bytes) -> None:
    """Write the new command line over the old one.

    Raises:
        ValueError: the new one is longer.
        OSError: /proc/self/mem cannot be written.
    """
    # fields 48 and 49 of stat are arg_start and arg_end; the second field may hold spaces, so count after its ")"
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    if start == 0 or len(text) > end - start:
        raise ValueError("no room for the new command line")
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        memory.write(text.ljust(end - start, b"\0"))
    _trim(start + len(text))


def _trim(end: int) -> None:
    """Tell the kernel where the command line now ends; without the privilege, empty arguments trail behind it."""
    import ctypes

    set_mm, arg_end = 35, 9  # PR_SET_MM, PR_SET_MM_ARG_END
    try:
        unsigned = ctypes.c_ulong
        ctypes.CDLL(None).prctl(set_mm, unsigned(arg_end), unsigned(end), unsigned(0), unsigned(0))
    except (OSError, AttributeError):
        pass
