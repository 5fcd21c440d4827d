"""package: packages are installed, up to date, or gone. It does what apt does, the one manager of packages here.

Parameters:
    name: the packages; NAME=VERSION (with `*`) for one version, NAME:ARCHITECTURE, and `*` for several.
    state: present; latest; absent; build-dep: what is needed to build them; fixed: what was left half-done is repaired.
    update_cache: fetch the lists of packages first.
    cache_valid_time: only if they are older than so many seconds; says that they are to be fetched, too.
    update_cache_retries: how often a mirror that does not answer is asked again.
    update_cache_retry_max_delay: seconds at most between two tries.
    upgrade: also everything that is installed: yes or safe without, full or dist with removing packages.
    deb: a package file of the machine, or a URL of one.
    default_release: where packages come from if several releases have them.
    install_recommends: whether recommended packages come along; none: as apt is set up.
    only_upgrade: only packages that are installed.
    allow_downgrade: also an older version.
    allow_unauthenticated: also from sources that are not signed.
    allow_change_held_packages: also packages that are on hold.
    force: all three, and essential packages may go.
    dpkg_options: what dpkg does with changed configuration, for one.
    purge: with state=absent, their configuration goes, too.
    autoremove: packages that nobody needs any longer go.
    fail_on_autoremove: nothing may be removed on the way.
    autoclean: package files that can no longer be fetched are deleted.
    clean: all package files that were fetched are deleted.
    policy_rc_d: the exit code that services are answered with that want to start meanwhile (101: no).
    lock_timeout: seconds to wait for another apt or dpkg.
    force_apt_get: taken so that tasks written for Ansible run; apt-get is always used.
    use: the manager of packages; only apt.

Returns:
    cache_updated: whether the lists were fetched.
    cache_update_time: when they last were.
    stdout: what apt-get said.
    stderr: what apt-get said on standard error.
"""

from __future__ import annotations

from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.modules import apt
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    **apt.PARAMETERS,
    "use": Parameter("str", default="auto", choices=("apt", "auto")),
}
MUTUALLY_EXCLUSIVE = apt.MUTUALLY_EXCLUSIVE


def run(call: Call) -> dict[str, Any]:
    """As apt does it."""
    return apt.run(call)
