"""What Ansible was told holds for work that is not kprov's own: playbooks, and modules and commands asked for now."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kprov.cli.failures import warn
from kprov.cli.invocation import current

if TYPE_CHECKING:
    from kprov.provision.playbook.ansible_cfg import AnsibleCfg


def read_settings(context: typer.Context, inventory: Path) -> tuple[AnsibleCfg, Path]:
    """Read ansible.cfg and the variables of the environment; what is not followed of them is said.

    Args:
        context: knows whether the inventory was named.
        inventory: that of the command line.

    Returns:
        The settings, and the inventory to be opened.

    Raises:
        AnsibleCfgError: they can't be read.
    """
    from kprov.provision.playbook import ansible_cfg

    settings = ansible_cfg.read(ansible_cfg.find(Path.cwd(), warn), Path.cwd(), os.environ)
    for where, names in ((settings.path, settings.others), ("the environment", settings.variables)):
        if names:
            warn(f"{where}: kprov does not follow {', '.join(names)}")
    current.usual_vault_password_file = settings.vault_password_file
    source = context.get_parameter_source("inventory")
    if settings.inventory is not None and source is not None and source.name == "DEFAULT":
        inventory = settings.inventory
    return settings, inventory
