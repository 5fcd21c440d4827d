"""Which form of an answer a client asks for in its Accept header."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kprov.kube.api import errors

PLAIN, TABLE, PARTIAL = "", "Table", "PartialObjectMetadata"


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an answer: ``kind`` is PLAIN, TABLE or PARTIAL."""

    kind: str = PLAIN
    version: str = "v1"  # of meta.k8s.io
    yaml: bool = False
    content_type: str = "application/json"


_AS = {"Table": TABLE, "PartialObjectMetadata": PARTIAL, "PartialObjectMetadataList": PARTIAL}


@lru_cache(maxsize=256)
def form_of(accept: str) -> Form:
    """The first form of the header that this server knows.

    Raises:
        ApiError: 406, none of them is known.
    """
    if not accept:
        return Form()
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        yaml = media in ("application/yaml", "application/x-yaml")
        if media not in ("application/json", "*/*", "application/*", "text/plain", "text/*", "text/html") and not yaml:
            continue
        if "as" in given:
            if (
                given["as"] in _AS
                and given.get("g", "meta.k8s.io") == "meta.k8s.io"
                and given.get("v") in ("v1", "v1beta1")
            ):
                return Form(_AS[given["as"]], given["v"], yaml, "application/yaml" if yaml else "application/json")
            continue
        if given.get("stream") not in (None, "watch"):
            continue
        return Form(yaml=yaml, content_type="application/yaml" if yaml else "application/json")
    raise errors.not_acceptable(
        "only the following media types are accepted: application/json, application/yaml, "
        "application/json;as=Table;v=v1;g=meta.k8s.io, application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    )
