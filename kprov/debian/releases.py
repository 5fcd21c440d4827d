"""The Debian releases that kprov's machines run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """One Debian release, with the Python that its ``python3`` package is."""

    number: str
    codename: str
    python: str


RELEASES: dict[str, Release] = {
    release.number: release for release in (Release("12", "bookworm", "3.11"), Release("13", "trixie", "3.13"))
}


class UnknownRelease(ValueError):
    """A release that kprov has no machines of."""


def release_named(text: str) -> Release:
    """The release called by number ("12"), codename ("bookworm") or both words of a fact ("debian12").

    Raises UnknownRelease with the names that would do.
    """
    wanted = text.strip().lower().removeprefix("debian").strip(" -_").partition(".")[0]
    for release in RELEASES.values():
        if wanted in (release.number, release.codename):
            return release
    known = ", ".join(f"{release.number} ({release.codename})" for release in RELEASES.values())
    raise UnknownRelease(f"no Debian release {text!r} here: kprov knows {known}")
