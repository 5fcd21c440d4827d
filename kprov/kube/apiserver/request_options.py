"""What is wrong with the options of a request, which come in its query or in a DELETE's body."""

from __future__ import annotations

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.strategy.base import FieldError

_KINDS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}


def options_kind(method: str) -> str:
    """The kind of the options of a write."""
    return _KINDS.get(method, "DeleteOptions")


def wrong_option(kind: str, *problems: FieldError) -> ApiError:
    """The refusal (422) of a request whose options of a kind have problems."""
    return errors.invalid(kind, "", [problem.cause() for problem in problems], group="meta.k8s.io")
