"""The controller itself as a host, where no inventory names it: Ansible's implicit `localhost`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from kprov.provision.engine.controller_names import LOCAL
from kprov.provision.engine.session import HostSession
from kprov.provision.inventory.model import Host


def local_session(extra: Mapping[str, Any], check: bool) -> HostSession:
    """A session for the controller.

    Args:
        extra: variables that beat all others.
        check: nothing is changed on it.
    """
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
    }
    host = Host(name=LOCAL, address="127.0.0.1", node_address="127.0.0.1", groups=(), variables=variables)
    return HostSession(host, extra, check)
