"""The front proxy: a trusted client that has authenticated the user itself and passes the name on in headers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from kprov.kube.api.client_authorities import Authorities, Chain
from kprov.kube.apiserver.authentication.certificates import common_name, end_of
from kprov.kube.apiserver.authentication.headers import Headers
from kprov.kube.apiserver.request import UserInfo


@dataclass(frozen=True, slots=True)
class RequestHeaderAuthentication:
    """Which clients are believed, and which headers they write.

    Args:
        authorities: those of --requestheader-client-ca-file.
        allowed_names: common names of --requestheader-allowed-names; empty allows every client of the authority.
        username_headers: the first of these that is there names the user.
        group_headers: every value of each of these is a group.
        extra_prefixes: headers that begin with one of these are extra facts of the user.
    """

    authorities: Authorities
    allowed_names: tuple[str, ...] = ()
    username_headers: Sequence[str] = ("X-Remote-User",)
    group_headers: Sequence[str] = ("X-Remote-Group",)
    extra_prefixes: Sequence[str] = ("X-Remote-Extra-",)

    def user_of(self, headers: Headers, peer_certificate: bytes, chain: Chain = tuple) -> UserInfo | None:
        """The user that a front proxy names, or None where the client is none, or names nobody."""
        name = next((value for header in self.username_headers if (value := headers.get(header))), None)
        if not name:
            return None
        if self.allowed_names and common_name(peer_certificate) not in self.allowed_names:
            return None
        if not self.authorities.vouch_for(peer_certificate, chain) or end_of(peer_certificate) < time.time():
            return None
        groups = [group for header in self.group_headers for group in headers.getall(header, ())]
        extra: dict[str, list[str]] = {}
        for header in set(headers):
            for prefix in self.extra_prefixes:
                if header.lower().startswith(prefix.lower()):
                    key = unquote(header[len(prefix) :].lower())
                    extra.setdefault(key, []).extend(headers.getall(header))
        return UserInfo(name=name, groups=tuple(groups), extra=extra)
