"""The static token file: one line a token, ``token,user,uid[,"group1,group2"]``."""

from __future__ import annotations

import csv
import hmac
from pathlib import Path

from kprov.kube.apiserver.request import UserInfo


class TokenFileError(ValueError):
    """The token file cannot be used."""


class StaticTokens:
    """Users by the tokens of a file, which is read once, at start."""

    def __init__(self, users: dict[str, UserInfo]) -> None:
        self._users = users

    @classmethod
    def read(cls, path: Path) -> StaticTokens:
        """Read the file.

        Raises:
            TokenFileError: a line has too few columns.
        """
        users: dict[str, UserInfo] = {}
        with path.open(newline="") as lines:
            for number, row in enumerate(csv.reader(lines, skipinitialspace=True), 1):
                if not row or row[0].startswith("#"):
                    continue
                if len(row) < 3 or not row[0]:
                    raise TokenFileError(
                        f'{path}:{number}: write a line as token,user,uid or token,user,uid,"group1,group2"'
                    )
                groups = tuple(group.strip() for group in row[3].split(",") if group.strip()) if len(row) > 3 else ()
                users[row[0]] = UserInfo(name=row[1], uid=row[2], groups=groups)
        return cls(users)

    def user_of(self, token: str) -> UserInfo | None:
        """The user of a token, compared in constant time with each known one."""
        found = None
        for known, user in self._users.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                found = user
        return found
