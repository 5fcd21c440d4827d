"""Whose hands the agent works with: a task's `become_user` makes and reads files itself, as its programs do."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator

from kprov.provision.agent.failures import ModuleFailed


@contextlib.contextmanager
def acting_as(user: str | None) -> Iterator[str | None]:
    """Be another user for the length of a task: its rights, its groups, its home.

    The real user stays the agent's, so that it can come back, and start programs as whomever.

    Args:
        user: whom; None: the agent's own.

    Yields:
        As whom programs are to be started, None where no change is needed.

    Raises:
        ModuleFailed: there is no such user, or the agent may not be anybody else.
    """
    if user is None:
        yield None
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ModuleFailed("there is no user '%s' on this machine to become" % user) from None
    if entry.pw_uid == os.geteuid():
        yield None
        return
    if os.geteuid() != 0:
        raise ModuleFailed(
            "the agent is %s on this machine and cannot become %s: let it become root (ansible_become: true)"
            % (pwd.getpwuid(os.geteuid()).pw_name, user)
        )
    groups, home = os.getgroups(), os.environ.get("HOME")
    os.setgroups(os.getgrouplist(user, entry.pw_gid))
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir
    try:
        yield user
    finally:
        os.seteuid(0)
        os.setegid(os.getgid())
        os.setgroups(groups)
        if home is None:
            os.environ.pop("HOME", None)
        else:
            os.environ["HOME"] = home


@contextlib.contextmanager
def itself() -> Iterator[None]:
    """Be root again for a moment, to start a program as another user."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 or os.getuid() != 0:
        yield
        return
    os.seteuid(0)
    os.setegid(os.getgid())
    try:
        yield
    finally:
        os.setegid(gid)
        os.seteuid(uid)
