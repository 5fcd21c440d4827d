"""Whose hands the agent works with: a task's `become_user` makes and reads files itself, as its programs do."""

from __future__ import annotations

import os
import pwd

from kprov.provision.agent.failures import ModuleFailed


class acting_as:
    """Be another user for the length of a task: its rights, its groups, its home.

    The real user stays the agent's, so that it can come back, and start programs as whomever. Gives as whom programs
    are to be started, None where no change is needed.

    Args:
        user: whom; None: the agent's own.

    Raises:
        ModuleFailed: there is no such user, or the agent may not be anybody else.
    """

    def __init__(self, user: str | None) -> None:
        self._user = user
        self._before: tuple[list[int], str | None] | None = None

    def __enter__(self) -> str | None:
        user = self._user
        if user is None:
            return None
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            raise ModuleFailed("there is no user '%s' on this machine to become" % user) from None
        if entry.pw_uid == os.geteuid():
            return None
        if os.geteuid() != 0:
            raise ModuleFailed(
                "the agent is %s on this machine and cannot become %s: let it become root (ansible_become: true)"
                % (pwd.getpwuid(os.geteuid()).pw_name, user)
            )
        self._before = (os.getgroups(), os.environ.get("HOME"))
        os.setgroups(os.getgrouplist(user, entry.pw_gid))
        os.setegid(entry.pw_gid)
        os.seteuid(entry.pw_uid)
        os.environ["HOME"] = entry.pw_dir
        return user

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            return
        groups, home = self._before
        os.seteuid(0)
        os.setegid(os.getgid())
        os.setgroups(groups)
        if home is None:
            os.environ.pop("HOME", None)
        else:
            os.environ["HOME"] = home


class itself:
    """Be root again for a moment, to start a program as another user."""

    def __enter__(self) -> None:
        self._before: tuple[int, int] | None = None
        uid, gid = os.geteuid(), os.getegid()
        if uid != 0 and os.getuid() == 0:
            self._before = (uid, gid)
            os.seteuid(0)
            os.setegid(os.getgid())

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            uid, gid = self._before
            os.setegid(gid)
            os.seteuid(uid)
