"""The variables that say how to reach a machine and what is special about it."""

from __future__ import annotations

from dataclasses import dataclass

from kprov.provision.inventory import values


@dataclass(frozen=True, slots=True)
class HostVariable:
    """A variable that kprov knows: how it is checked and what it is for."""

    check: values.Check
    about: str
    secret: bool = False


HOST_VARIABLES: dict[str, HostVariable] = {
    "ansible_host": HostVariable(values.ssh_address, "where SSH connects to; default: the host's name"),
    "ansible_port": HostVariable(values.port, "SSH's port; default 22"),
    "ansible_user": HostVariable(values.text, "who logs in; default: root"),
    "ansible_password": HostVariable(values.text, "the user's password, where no key is used", secret=True),
    "ansible_ssh_private_key_file": HostVariable(values.text, "the private key to log in with"),
    "ansible_ssh_private_key_passphrase": HostVariable(
        values.text, "what opens that key, where it is sealed", secret=True
    ),
    "ansible_ssh_common_args": HostVariable(values.text, "ssh's arguments; only a jump host is understood"),
    "ansible_connection": HostVariable(
        values.one_of("ssh", "smart", "paramiko", "paramiko_ssh"), "how to connect: by SSH, whichever of its names"
    ),
    "kprov_transport": HostVariable(
        values.one_of("paramiko", "openssh", "asyncssh"), "which SSH does it; default paramiko"
    ),
    "ansible_python_interpreter": HostVariable(values.text, "the Python on the machine; default: found"),
    "ansible_become": HostVariable(values.boolean, "whether to become another user through sudo"),
    "ansible_become_method": HostVariable(values.one_of("sudo"), "how to become it: only sudo"),
    "ansible_become_user": HostVariable(values.text, "whom to become; default root"),
    "ansible_become_password": HostVariable(values.text, "sudo's password", secret=True),
    "ansible_group_priority": HostVariable(values.whole(-1000, 1000), "which of two groups at one depth wins"),
    "kprov_jump_host": HostVariable(values.text, "[user@]host[:port] to go through"),
    "kprov_host_key": HostVariable(values.host_key, "the host key that the machine must show"),
    "kprov_lock_path": HostVariable(values.text, "the lock's file on the machine; default /run/kprov.lock"),
    "kprov_power_off_command": HostVariable(values.text, "run on the controller, cuts the machine's power"),
    "kprov_power_on_command": HostVariable(values.text, "run on the controller, gives it back"),
    "node_address": HostVariable(values.ipv4_address, "the address that other machines use; default: ansible_host"),
    "node_labels": HostVariable(values.mapping_of_text, "labels of the machine's Node"),
    "node_taints": HostVariable(values.list_of_text, "taints of the machine's Node, as key=value:Effect"),
}

# Ansible's other names for the same thing.
ALIASES = {
    "ansible_private_key_file": "ansible_ssh_private_key_file",
    "ansible_private_key_passphrase": "ansible_ssh_private_key_passphrase",
    "ansible_ssh_host": "ansible_host",
    "ansible_ssh_port": "ansible_port",
    "ansible_ssh_user": "ansible_user",
    "ansible_ssh_pass": "ansible_password",
    "ansible_ssh_password": "ansible_password",
    "ansible_become_pass": "ansible_become_password",
    "ansible_sudo_pass": "ansible_become_password",
}

SECRET_VARIABLES = frozenset(name for name, variable in HOST_VARIABLES.items() if variable.secret)

_SECRET_WORDS = ("password", "passphrase", "secret", "token", "private_key")


def is_secret(name: str) -> bool:
    """Whether a variable's value must never be shown: kprov's secrets, and what users name like one."""
    if name in HOST_VARIABLES:
        return HOST_VARIABLES[name].secret
    return any(word in name.lower() for word in _SECRET_WORDS)
