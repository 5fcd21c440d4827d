"""The key that signs service-account tokens is changed for a new one, and the old one is believed until its tokens end.

1. Every API server believes tokens of both keys.
2. They sign with the new one. Pods' tokens are replaced by kubelets, each before four fifths of its life are over and
   at the latest after a day.
3. After that day only the new key is believed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives import serialization

from kprov.provision.cluster.certificates import issue_certificates
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.restarts import restart_stale_services
from kprov.provision.cluster.rotating.authorities import refuse_absent, refuse_failed, reopen, wait_until_well
from kprov.provision.inventory import Host
from kprov.provision.pki.rotation import SERVICE_ACCOUNT, Step, load_rotation
from kprov.provision.pki.succession import advance, begin, files_of, finish, mark_done

LONGEST_TOKEN = timedelta(hours=24)
"""After so long a kubelet has replaced every token that a pod has, however long-lived (upstream's token manager)."""
_PAGE = "500"
_TITLES = {
    Step.TRUST_BOTH: "Step 1 of 3: tokens of the old key and of the new one are believed",
    Step.REISSUE: "Step 2 of 3: the new key signs",
    Step.TRUST_NEW: "Step 3 of 3: only tokens of the new key are believed",
}


@dataclass(slots=True)
class ServiceAccountRotation:
    """Changes the key, from wherever the last run came to.

    Attributes:
        passphrase: opens the present key, and seals the new one where that is sealed.
        drop_now: do not wait until the old key's tokens have been replaced.
        told: what a person should know at the end.
    """

    passphrase: str | None = field(default=None, repr=False)
    drop_now: bool = False
    told: list[str] = field(default_factory=list)

    def run(self, context: Context, hosts: list[Host]) -> None:
        """Do it; where the run only compares, say what it would do.

        Raises:
            ClusterError: a control-plane machine does not take part, something is not well, or tokens that never end
                are signed with the old key.
        """
        refuse_absent(context, hosts, "control_plane")
        state = context.inventory.cluster.state_directory
        if not context.engine.check:
            wait_until_well(context, hosts)
            self._go(context, hosts, state)
            return
        with TemporaryDirectory(prefix="kprov-plan-") as temporary:  # mode 0700
            shutil.copytree(state / "pki", Path(temporary) / "pki")
            self._go(context, hosts, Path(temporary))

    def _go(self, context: Context, hosts: list[Host], state: Path) -> None:
        lifetime = context.inventory.cluster.ca_lifetime_days
        begin(state, [SERVICE_ACCOUNT], lifetime_days=lifetime, passphrase=self.passphrase)
        begun_here = False
        while True:
            progress = load_rotation(state / "pki")[SERVICE_ACCOUNT]
            if not progress.done:
                self._make(context, hosts, state, progress.step)
                mark_done(state, [SERVICE_ACCOUNT])
                begun_here = progress.step is not Step.TRUST_NEW
            elif progress.step is Step.REISSUE:
                ready = load_rotation(state / "pki")[SERVICE_ACCOUNT].since + LONGEST_TOKEN
                if not self._may_drop(ready, begun_here):
                    return
                refuse_tokens_for_ever(context, (state / "pki" / files_of(SERVICE_ACCOUNT)[1]).read_bytes())
                advance(state, [SERVICE_ACCOUNT])
            elif progress.step is Step.TRUST_NEW:
                break
            else:
                advance(state, [SERVICE_ACCOUNT])
        finish(state, [SERVICE_ACCOUNT])
        reopen(context, state, self.passphrase)
        self.told.append("the old key is gone: its tokens are not believed any more")

    def _may_drop(self, ready: datetime, begun_here: bool) -> bool:
        if self.drop_now or (datetime.now(UTC) >= ready and not begun_here):
            return True
        self.told.append(
            f"tokens are signed with the new key; those of the old one are still believed, until every pod has a new "
            f"one: run the same command again after {ready:%Y-%m-%d %H:%M} UTC, or now with --drop-now"
        )
        return False

    def _make(self, context: Context, hosts: list[Host], state: Path, step: Step) -> None:
        reopen(context, state, self.passphrase)
        with context.engine.phase(_TITLES[step], hosts):
            pass  # a heading, for people and in the journal
        issue_certificates(context, hosts)
        refuse_failed(context, hosts)
        restart_stale_services(context, hosts)
        refuse_failed(context, hosts)
        wait_until_well(context, hosts)


def key_id(public_pem: bytes) -> str:
    """The name of a public key in the header of its tokens (upstream's: the SHA-256 of its DER form)."""
    key = serialization.load_pem_public_key(public_pem)
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def signed_with(token: str) -> str:
    """The name of the key that signed a token; "" for what is none."""
    head = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error):
        return ""
    return str(header.get("kid") or "") if isinstance(header, dict) else ""


def refuse_tokens_for_ever(context: Context, old_public_pem: bytes) -> None:
    """Tokens in Secrets never end, and nobody replaces them.

    Raises:
        ClusterError: some are signed with the old key. ClusterApiError.
    """
    old = key_id(old_public_pem)
    found = [name for name, token in _tokens_in_secrets(context) if signed_with(token) == old]
    if found:
        raise ClusterError(
            f"the tokens in these Secrets are signed with the old key, and would not be believed any more: "
            f"{', '.join(found)}. Delete each Secret and make it again (it is given a token of the new key), hand the "
            "token to whoever uses it, and run the same command again. Until then both keys are believed"
        )


def _tokens_in_secrets(context: Context) -> Sequence[tuple[str, str]]:
    params = {"fieldSelector": "type=kubernetes.io/service-account-token", "limit": _PAGE}
    found = []
    while True:
        page: dict[str, Any] = context.api.request("GET", "/api/v1/secrets", params=params)
        for item in page["items"]:
            token = base64.b64decode((item.get("data") or {}).get("token", "")).decode(errors="replace")
            found.append((f"{item['metadata']['namespace']}/{item['metadata']['name']}", token))
        if not page["metadata"].get("continue"):
            return found
        params["continue"] = page["metadata"]["continue"]
