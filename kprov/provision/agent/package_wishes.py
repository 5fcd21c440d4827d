"""Packages that a task asks for, held against dpkg's table."""

from __future__ import annotations

import fnmatch
import re

from kprov.provision.agent import dpkg
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed

_SPECIFICATION = re.compile(
    r"^(?P<name>[^=<>!:\s]+)(?::(?P<architecture>[\w-]+))?(?:\s*(?P<operator>>?=)\s*(?P<version>\S+))?$"
)


class Wish:
    """One package that is asked for."""

    def __init__(self, text: str) -> None:
        match = _SPECIFICATION.match(text.strip())
        if match is None:
            raise ModuleFailed("'%s' is no package: write NAME or NAME=VERSION" % text)
        self.text = text.strip().replace(" ", "")
        self.name, self.architecture = match["name"], match["architecture"]
        self.operator, self.version = match["operator"], match["version"]

    @property
    def word(self) -> str:
        """It, as apt-get takes it."""
        name = self.name + (":" + self.architecture if self.architecture else "")
        return name + "=" + self.version if self.version and self.operator == "=" else name

    def matches(self, package: dpkg.Package) -> bool:
        """Whether a package of the table is meant."""
        if self.architecture and package.architecture not in (self.architecture, "all"):
            return False
        return fnmatch.fnmatchcase(package.name, self.name)

    def fulfilled(self, call: Call, table: list[dpkg.Package]) -> bool:
        """Whether it is installed, in the version that is asked for."""
        found = [package for package in table if package.installed and self.matches(package)]
        if not found and not self.version:
            return any(package.installed and self.name in package.provided for package in table)
        if not self.version:
            return bool(found)
        if self.operator == ">=":
            return any(at_least(call, package.version, self.version) for package in found)
        return any(fnmatch.fnmatchcase(package.version, self.version) for package in found)


def at_least(call: Call, version: str, wanted: str) -> bool:
    """Whether a version is the wanted one or later."""
    return call.run(["dpkg", "--compare-versions", version, "ge", wanted], succeed=False).rc == 0


def table(call: Call) -> list[dpkg.Package]:
    """The machine's packages."""
    return dpkg.table(call.system_path("/var/lib/dpkg/status"))
