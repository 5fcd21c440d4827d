"""Paths that must stay where they begin."""

from __future__ import annotations

from kprov.kube.apiserver.strategy.base import FieldError, invalid


def descending_path_errors(path_given: str | None, path: str) -> list[FieldError]:
    """That a path stays below where it starts."""
    if not path_given:
        return []
    if path_given.startswith("/"):
        return [invalid(path, path_given, "must be a relative path")]
    return backstep_errors(path_given, path)


def backstep_errors(path_given: str, path: str) -> list[FieldError]:
    """That a path has no ``..`` in it."""
    return [invalid(path, path_given, "must not contain '..'")] if ".." in path_given.split("/") else []
