"""The audit log that the flags ask for."""

from __future__ import annotations

from pathlib import Path

from kprov.kube.api.daemon import DaemonError
from kprov.kube.api.flags import Flags
from kprov.kube.apiserver.audit.auditor import Auditor
from kprov.kube.apiserver.audit.log_file import LogFile
from kprov.kube.apiserver.audit.policy import PolicyError, read_policy


def open_audit_log(flags: Flags) -> Auditor | None:
    """The audit log, or None where --audit-policy-file or --audit-log-path is not given (as upstream).

    Raises: DaemonError where the policy is wrong or the file can't be written.
    """
    if not flags.audit_policy_file or not flags.audit_log_path:
        return None
    try:
        policy = read_policy(Path(flags.audit_policy_file))
    except PolicyError as error:
        raise DaemonError(f"--audit-policy-file: {error}") from error
    try:
        log = LogFile(
            flags.audit_log_path,
            max_size=flags.audit_log_maxsize,
            max_backups=flags.audit_log_maxbackup,
            max_age=flags.audit_log_maxage,
            compress=flags.audit_log_compress,
            waits=flags.audit_log_mode != "batch",
        )
    except OSError as error:
        raise DaemonError(f"--audit-log-path: {flags.audit_log_path}: {error.strerror}") from error
    return Auditor(policy, log, strict=flags.audit_log_mode == "blocking-strict")
