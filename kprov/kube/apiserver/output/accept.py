"""Which form of an answer a client asks for in its Accept header."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kprov.kube.api import errors

PROTOBUF = "application/vnd.kubernetes.protobuf"
PLAIN, TABLE, PARTIAL = "", "Table", "PartialObjectMetadata"


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an answer: ``kind`` is PLAIN, TABLE or PARTIAL."""

    kind: str = PLAIN
    version: str = "v1"  # of meta.k8s.io
    yaml: bool = False
    content_type: str = "application/json"
    protobuf: bool = False

    @property
    def ready(self) -> bool:
        """Whether the bytes that are stored are the answer."""
        return self.kind == PLAIN and not self.yaml and not self.protobuf

    @property
    def packed(self) -> bool:
        """Whether what is kept of objects in protobuf is the answer."""
        return self.kind == PLAIN and self.protobuf


_AS = {"Table": TABLE, "PartialObjectMetadata": PARTIAL, "PartialObjectMetadataList": PARTIAL}


def _protobuf_form(given: dict[str, str]) -> Form | None:
    kind = _AS.get(given.get("as", ""), PLAIN)
    if kind == TABLE or (given.get("as") and kind == PLAIN):
        return None
    return Form(kind, "v1", content_type=PROTOBUF, protobuf=True)


def _preferred(accept: str) -> list[tuple[str, dict[str, str]]]:
    """The clauses of the header and their parameters, in upstream's order: by q, then what names a type before what
    takes any, then as they stand.
    """
    clauses = []
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        try:
            quality = float(given.get("q", 1))
        except ValueError:  # Go makes nought of it
            quality = 0.0
        clauses.append((-quality, media.startswith("*"), media.endswith("*"), media, given))
    return [(media, given) for *_, media, given in sorted(clauses, key=lambda clause: clause[:3])]


@lru_cache(maxsize=256)
def form_of(accept: str, protobuf: bool = False) -> Form:
    """The form that the client likes best among those that this server knows.

    Args:
        accept: the header.
        protobuf: whether what is asked for can be said in protobuf.

    Raises:
        ApiError: 406, none of them is known.
    """
    if not accept:
        return Form()
    for media, given in _preferred(accept):
        if media == PROTOBUF:
            if protobuf and (binary := _protobuf_form(given)) is not None:
                return binary
            continue
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
