"""What a task may name: the agent's modules, the controller's actions, and what Ansible has beside them."""

from __future__ import annotations

from typing import Any

from kprov.provision.agent import modules
from kprov.provision.agent.parameters import Specification, WrongArguments, coerce, nearest
from kprov.provision.engine.actions import ACTIONS
from kprov.provision.engine.control_modules import CONTROL
from kprov.provision.engine.errands.catalogue import ERRANDS
from kprov.provision.engine.scope import TemplateProblem
from kprov.provision.engine.tasks import is_open

# Modules that Ansible's users know and kprov may not have: a task that names one is no typing mistake. Their full names
# (three words with dots) are recognised by their shape.
_KNOWN_ELSEWHERE = """
    acl add_host alternatives apache2_module apk apt apt_key apt_repo apt_repository archive assemble
    async_status at authorized_key bower bundler capabilities composer consul cpanm cron cronvar cryptsetup
    dconf deb822_repository debconf dnf dnf5 docker_container docker_image dpkg_divert dpkg_selections
    easy_install ec2_instance expect fetch filesystem firewalld flatpak gem get_url git git_config
    github_release homebrew htpasswd import_playbook ini_file iptables iptables_state java_cert java_keystore
    k8s kernel_blacklist known_hosts ldap_entry locale_gen lvg lvol make maven_artifact monit mount
    mount_facts mysql_db mysql_query mysql_user mysql_variables nmcli npm open_iscsi openssl_certificate
    openssl_dhparam openssl_pkcs12 osx_defaults package pacman pam_limits pamd parted patch pear pids pip
    pip_package_info pkgng portage postgresql_db postgresql_user proxysql_query rabbitmq_user reboot
    redhat_subscription replace rhsm_repository rpm_key runit script seboolean sefcontext selinux
    selinux_permissive seport set_stats snap ssh_config subversion supervisorctl svc synchronize sysvinit
    tempfile terraform timezone ufw unix_acl wait_for_connection win_command win_shell x509_certificate xattr
    xml yarn yum yum_repository zypper zypper_repository
"""

# Those of them that are for other systems, and what does the same on Debian.
_ELSEWHERE = {
    **dict.fromkeys(("apk", "dnf", "dnf5", "pacman", "pkgng", "portage", "yum", "zypper"), "package or apt"),
    **dict.fromkeys(("yum_repository", "zypper_repository", "rhsm_repository"), "deb822_repository or apt_repository"),
    "rpm_key": "deb822_repository with signed_by",
    "firewalld": "iptables, or a template for nftables",
    "svc": "systemd",
    "runit": "systemd",
    "osx_defaults": "",
    "homebrew": "package or apt",
    "redhat_subscription": "",
}

_BUILTIN = ("ansible.builtin.", "ansible.legacy.")


def own_name(key: str) -> str | None:
    """A module's or action's own name, None for neither."""
    bare = key
    for prefix in _BUILTIN:
        bare = bare.removeprefix(prefix)
    if bare in ACTIONS or bare in CONTROL or bare in ERRANDS:
        return bare
    return modules.own_name(key)


def is_foreign(key: str) -> bool:
    """Whether a name is that of a module which Ansible has and kprov does not."""
    bare = key
    for prefix in _BUILTIN:
        bare = bare.removeprefix(prefix)
    parts = key.split(".")
    dotted = len(parts) >= 3 and all(part.isidentifier() for part in parts)
    return own_name(key) is None and (bare in _KNOWN_ELSEWHERE.split() or dotted)


def lacking(key: str) -> str:
    """What is said of a module that kprov does not have."""
    name = key.rpartition(".")[2]
    if name not in _ELSEWHERE:
        return f"kprov has no module '{key}'"
    instead = f" write {_ELSEWHERE[name]}, or" if _ELSEWHERE[name] else ""
    return f"kprov has no module '{key}' (its machines are Debian's:{instead} a condition on ansible_os_family)"


def closest(key: str, also: tuple[str, ...] = ()) -> str | None:
    """The name that was most likely meant."""
    return nearest(key, [*also, *modules.NAMES, *modules.ALIASES, *ACTIONS, *CONTROL, *ERRANDS])


def specification(module: str) -> Specification | None:
    """A module's parameters; None where anything goes (set_fact)."""
    if module in CONTROL:
        return CONTROL[module]
    if module in ERRANDS:
        return ERRANDS[module].PARAMETERS
    action = ACTIONS.get(module)
    if action is not None and action.parameters is not None:
        return action.parameters
    parameters: Specification = modules.load(module).PARAMETERS
    return parameters


def wrong_arguments(module: str, arguments: dict[str, Any]) -> list[str]:
    """What is wrong with a module's arguments, as far as it can be seen before the templates in them are rendered."""
    parameters = specification(module)
    if parameters is None:
        return []
    try:
        if module in modules.NAMES and parameters is modules.load(module).PARAMETERS:
            modules.arguments_of(module, arguments, open_value=is_open)
        else:
            coerce(parameters, arguments, open_value=is_open)
    except WrongArguments as wrong:
        return list(wrong.problems)
    return []


def refuse_left_out(module: str, arguments: dict[str, Any]) -> None:
    """What a module's rendered arguments lack, when one was missed: a template may leave out what must be given.

    Raises:
        TemplateProblem: they lack something.
    """
    problems = wrong_arguments(module, arguments)
    if problems:
        raise TemplateProblem(f"{module} {'; '.join(problems)}")


def free_form(module: str) -> str | None:
    """The parameter that a module's bare text stands for."""
    if module in CONTROL:
        return {"meta": "action", "include_tasks": "file", "import_tasks": "file", "include_vars": "file"}.get(module)
    if module in ACTIONS and module not in modules.NAMES:
        return ACTIONS[module].free_form
    if module not in modules.NAMES:
        return None
    form: str | None = getattr(modules.load(module), "FREE_FORM", None)
    return form
