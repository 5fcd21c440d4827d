"""Which settings of Ansible a run follows, which are of no concern to it, and by which variables they are told.

Source: ansible-core 2.19, `ansible-config` and its base.yml; the `ssh` connection and the `sudo` become plugin.
"""

from __future__ import annotations

from kprov.provision.agent.parameters import FALSE_WORDS, TRUE_WORDS
from kprov.provision.inventory import ssh_arguments

Key = tuple[str, str]
"""A setting's section and name, as in ansible.cfg."""

ALIASES = {"collections_paths": "collections_path"}

_FOLLOWED = {
    *(("defaults", name) for name in ("inventory", "roles_path", "collections_path", "remote_user")),
    *(("defaults", name) for name in ("private_key_file", "vault_password_file")),
    *(("privilege_escalation", name) for name in ("become", "become_user")),
}

# What concerns Ansible's own speed, files and looks: a run does the same without it.
_OF_NO_CONCERN = frozenset(
    {
        *("action_warnings", "allow_world_readable_tmpfiles", "bin_ansible_callbacks", "callback_enabled"),
        *("callback_whitelist", "callbacks_enabled", "check_mode_markers", "command_warnings", "deprecation_warnings"),
        *("display_args_to_stdout", "display_failed_stderr", "display_ok_hosts", "display_skipped_hosts"),
        *("duplicate_dict_key", "fact_caching", "fact_caching_connection", "fact_caching_prefix"),
        *("fact_caching_timeout", "force_color", "forks", "internal_poll_interval", "local_tmp"),
        *("force_valid_group_names", "pipelining"),
        *("localhost_warning", "log_path", "nocolor", "nocows", "poll_interval", "remote_tmp", "result_format"),
        *("retry_files_enabled", "retry_files_save_path", "show_custom_stats", "show_task_path_on_failure"),
        *("stdout_callback", "strategy", "system_warnings", "timeout", "verbosity", "callback_result_format"),
    }
)
_SECTIONS_OF_NO_CONCERN = frozenset({"colors", "galaxy", "persistent_connection", "paramiko_connection"})
_SPEED_OF_SSH = frozenset(
    {"control_path", "control_path_dir", "pipelining", "retries", "scp_if_ssh", "sftp_batch_mode", "transfer_method"}
)
_SSH_ARGUMENTS = ("ssh_args", "ssh_common_args", "ssh_extra_args")

# What it is where nothing is said anyway.
_AS_ALWAYS = {
    **{("defaults", name): FALSE_WORDS for name in ("any_errors_fatal", "force_handlers", "no_log")},
    ("defaults", "task_timeout"): ("0",),
    ("defaults", "gathering"): ("implicit", "smart"),
    ("defaults", "hash_behaviour"): ("replace",),
    ("defaults", "host_key_checking"): TRUE_WORDS,
    ("defaults", "interpreter_python"): ("auto", "auto_silent", "auto_legacy", "auto_legacy_silent"),
    ("defaults", "transport"): ("ssh", "smart"),
    ("privilege_escalation", "become_method"): ("sudo",),
    ("privilege_escalation", "become_ask_pass"): FALSE_WORDS,
}


def _variables(section: str, *names: str) -> dict[str, Key]:
    """Variables that are called as their settings."""
    return {f"ANSIBLE_{name.upper()}": (section, name) for name in names}


# Only those that say what a run does: of others, which may be anybody's, nothing is said.
VARIABLES: dict[str, Key] = {
    **_variables("defaults", "inventory", "roles_path", "collections_path", "remote_user"),
    **_variables("defaults", "private_key_file", "vault_password_file", "gathering", "hash_behaviour"),
    **_variables("defaults", "host_key_checking", "transport", "remote_port", "force_handlers", "any_errors_fatal"),
    **_variables("defaults", "task_timeout", "no_log", "jinja2_extensions", "private_role_vars", "playbook_dir"),
    **_variables("defaults", "library", "module_utils", "action_plugins", "filter_plugins", "lookup_plugins"),
    **_variables("defaults", "test_plugins", "vars_plugins", "connection_plugins", "strategy_plugins"),
    **_variables("privilege_escalation", "become", "become_user", "become_method", "become_ask_pass"),
    **_variables("privilege_escalation", "become_exe", "become_flags"),
    **_variables("ssh_connection", *_SSH_ARGUMENTS, "ssh_executable"),
    "ANSIBLE_PYTHON_INTERPRETER": ("defaults", "interpreter_python"),
    "ANSIBLE_BECOME_PASSWORD_FILE": ("defaults", "become_password_file"),
    "ANSIBLE_CONNECTION_PASSWORD_FILE": ("defaults", "connection_password_file"),
    "ANSIBLE_SSH_HOST_KEY_CHECKING": ("defaults", "host_key_checking"),
    "ANSIBLE_RUN_TAGS": ("tags", "run"),
    "ANSIBLE_SKIP_TAGS": ("tags", "skip"),
    "ANSIBLE_DIFF_ALWAYS": ("diff", "always"),
}


def is_followed(key: Key, value: str) -> bool:
    """Whether a run is as this setting wants it."""
    section, name = key
    if section in _SECTIONS_OF_NO_CONCERN or value.lower() in _AS_ALWAYS.get(key, ()):
        return True
    if section == "ssh_connection":
        return name in _SPEED_OF_SSH or (
            name in _SSH_ARGUMENTS and ssh_arguments.parse(value) == ssh_arguments.SshArguments()
        )
    return key in _FOLLOWED or (section == "defaults" and name in _OF_NO_CONCERN)
