"""The way in that a target names: here, or over SSH (which is imported only when needed.

It costs a tenth of a second).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from kprov.provision.transport import lean_imports, local
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target


def connect(
    target: Target, *, accept_new: bool = False, warn: Callable[[str], None] | None = None, greet: bool = True
) -> AgentLink:
    """Start an agent on a machine.

    Args:
        target: the machine.
        accept_new: take an unknown host key and remember it.
        warn: told of what a person should know.
        greet: wait until the agent has started; else the first request does.

    Raises:
        Unreachable: why not, and what to do.
    """
    if target.local:
        return local.connect(target, greet=greet)
    if target.transport == "openssh":
        from kprov.provision.transport import openssh

        return openssh.connect(target, accept_new=accept_new, warn=warn, greet=greet)
    if target.transport == "asyncssh":
        if importlib.util.find_spec("asyncssh") is None:
            raise Unreachable(
                "asyncssh is not installed on this controller, and kprov_transport is asyncssh: pip install "
                "'kprov[asyncssh]', or leave kprov_transport out"
            )
        from kprov.provision.transport import async_ssh

        return async_ssh.connect(target, accept_new=accept_new, warn=warn, greet=greet)
    lean_imports.import_paramiko()
    from kprov.provision.transport import ssh

    return ssh.connect(target, accept_new=accept_new, warn=warn, greet=greet)
