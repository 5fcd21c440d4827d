"""Accept headers of real clients, and the forms that they ask for."""

from __future__ import annotations

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.output.accept import PARTIAL, PLAIN, TABLE, form_of

TABLES = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
PARTIALS = (
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)


@pytest.mark.parametrize(
    ("accept", "kind", "yaml"),
    [
        ("", PLAIN, False),
        ("*/*", PLAIN, False),
        ("application/json", PLAIN, False),
        ("application/json, */*", PLAIN, False),
        ("application/vnd.kubernetes.protobuf,application/json", PLAIN, False),
        (TABLES, TABLE, False),
        (PARTIALS, PARTIAL, False),
        ("application/yaml", PLAIN, True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", PLAIN, False),
    ],
)
def test_form(accept: str, kind: str, yaml: bool) -> None:
    form = form_of(accept)
    assert (form.kind, form.yaml) == (kind, yaml)


def test_what_is_not_known_is_not_acceptable() -> None:
    with pytest.raises(ApiError) as refused:
        form_of("application/vnd.kubernetes.protobuf")
    assert refused.value.code == 406
