"""The controller's own settings of how apt fetches: proxies, certificates, retries."""

from __future__ import annotations

import re
import subprocess

# Only how things are fetched is taken over; what is trusted stays with the keyring named for each source.
_WANTED = re.compile(
    r'^(Acquire::(?:https?|ftp)::[\w:.-]+|Acquire::(?:Retries|Check-Valid-Until|Check-Date|ForceIPv[46])) "(.*)";$'
)


def fetch_settings(dump: str | None = None) -> dict[str, str]:
    """Apt options that decide how to reach a mirror, by name.

    Args:
        dump: what ``apt-config dump`` printed; asked of apt when None.
    """
    if dump is None:
        dump = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    found = (_WANTED.match(line) for line in dump.splitlines())
    return {match[1]: match[2] for match in found if match and match[2]}
