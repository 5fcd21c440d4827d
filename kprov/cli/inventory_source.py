"""Opens the inventory that a verb was given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.cli import extra_vars as extra
from kprov.cli.exit_codes import ExitCode
from kprov.cli.failures import warn
from kprov.cli.vault_options import given_vault

if TYPE_CHECKING:
    from kprov.provision.inventory import Host, Inventory


class PatternError(ValueError):
    """A pattern of ``--limit`` that names nothing."""

    exit_code = ExitCode.USAGE


def open_inventory(
    path: Path,
    extra_vars: Iterable[str] | None = None,
    *,
    also_known: Collection[str] | None = None,
    cluster: bool | None = True,
    playbook_directory: Path | None = None,
    private_key_file: Path | None = None,
) -> Inventory:
    """Load the inventory. Raises InventoryErrors, ExtraVarsError or VaultError, which end as exit code 2.

    What is doubtful in an inventory that is no cluster's is said on standard error.

    Args:
        also_known: names that are right besides kprov's own; by default those that roles give defaults for.
        cluster: whether it must describe a cluster; None: where its groups say so.
        playbook_directory: where else ``group_vars`` and ``host_vars`` are looked for.
        private_key_file: the key of hosts for which the inventory names none, where it is no cluster's.
    """
    from kprov.provision.inventory import load

    vault = given_vault()
    loaded = load(
        path,
        extra.parse(extra_vars, vault),
        cluster=cluster,
        playbook_directory=playbook_directory,
        vault=vault,
        render=_render,
        also_known=role_defaults() if also_known is None else also_known,
        private_key_file=private_key_file,
    )
    for doubt in loaded.warnings:
        warn(str(doubt))
    return loaded


def _render(text: str, variables: Mapping[str, Any]) -> Any:
    """A template of the inventory that says how to connect. Raises ValueError."""
    from kprov.provision.engine.scope import Scope, TemplateProblem
    from kprov.provision.engine.templating import Templar

    templar = Templar()
    try:
        return templar.render(text, Scope(templar, [(variables, True), (templar.globals, False)]))
    except TemplateProblem as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it goes round in a ring") from None


def role_defaults() -> set[str]:
    """The names of all variables that roles give defaults for: they are no typos."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    names: set[str] = set()
    for folder in roles_folders():
        for path in folder.glob("*/defaults/main.y*ml"):
            try:
                content = yaml.load(path.read_text(), Loader=loader)  # noqa: S506 - a safe one
            except (OSError, yaml.YAMLError):
                continue  # the engine says what is wrong with a role
            if isinstance(content, dict):
                names.update(str(name) for name in content)
    return names


def roles_folders() -> list[Path]:
    """Where roles lie: in the checkout, or in the installed package."""
    import kprov

    package = Path(kprov.__file__).parent
    return [folder for folder in (package / "data" / "roles", package.parent / "roles") if folder.is_dir()]


def limit_hosts(inventory: Inventory, pattern: str) -> list[Host]:
    """The hosts that ``--limit`` names; all when it is empty. Raises PatternError."""
    if not pattern:
        return list(inventory.hosts.values())
    try:
        hosts = inventory.match(pattern, files=True)
    except ValueError as error:
        raise PatternError(f"--limit {pattern}: {error}") from None
    if not hosts:
        raise PatternError(f"--limit {pattern}: no machine is left; see which there are with: kprov inventory list")
    return hosts
