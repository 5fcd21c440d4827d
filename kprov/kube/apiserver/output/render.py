"""Entries and objects into response bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.output.accept import PARTIAL, TABLE, Form, form_of
from kprov.kube.apiserver.output.table import TableMaker
from kprov.kube.apiserver.protobuf.encode import encodable, encode, encode_event
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.versions import from_storage, is_storage_version

Object = dict[str, Any]
_FEW_PIECES = 100  # that are put together at once


def _partial(obj: Object, version: str) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": obj["metadata"]}


def body(form: Form, obj: Any) -> bytes:
    """A JSON value in the form's encoding."""
    if form.protobuf:
        return encode(obj)
    if form.yaml:
        import yaml  # rare

        return yaml.safe_dump(obj, sort_keys=False).encode()
    return orjson.dumps(obj)


class Renderer:
    """Answers one request about one kind in the form and version that it asks for."""

    def __init__(self, request: Request, info: ResourceInfo) -> None:
        """Raises ApiError (406) where no form that is asked for is known."""
        self.info = info
        self.version = request.info.api_version
        known = kinds.find(*info.key) is None and encodable(info.group, self.version, info.kind)
        self.form = form_of(request.headers.get("Accept", ""), known)
        self._as_stored = is_storage_version(info, self.version)
        self._include = request.query.get("includeObject", "")

    def _convert(self, obj: Object) -> Object:
        return obj if self._as_stored else from_storage(self.info, self.version, obj)

    def tables(self) -> TableMaker:
        """A maker of tables for this request."""
        return TableMaker(self.info, self.version, self.form.version, self._include)

    def response(self, value: bytes, status: int = 200) -> Response:
        """A response of an encoded body."""
        return Response(value, status, self.form.content_type)

    def entry(self, entry: Entry, status: int = 200) -> Response:
        """One stored object."""
        if self._as_stored and self.form.ready:
            return self.response(entry.raw, status)
        return self.object(entry.object(), status)

    def object(self, obj: Object, status: int = 200) -> Response:
        """One object in its stored version."""
        if self.form.kind == TABLE:
            table = self.tables().table([obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")})
            return self.response(body(self.form, table), status)
        shown = self._convert(obj)
        if self.form.kind == PARTIAL:
            shown = _partial(shown, self.form.version)
        return self.response(body(self.form, shown), status)

    def list(self, entries: Iterable[Entry], metadata: Object) -> Response:
        """Many stored objects."""
        if self.form.kind == TABLE:
            return self.response(body(self.form, self.tables().table([entry.object() for entry in entries], metadata)))
        if self.form.kind == PARTIAL:
            items = [_partial(entry.object(), self.form.version) for entry in entries]
            kind, api_version = "PartialObjectMetadataList", f"meta.k8s.io/{self.form.version}"
        else:
            kind, api_version = self.info.list_kind, self.info.api_version(self.version)
            if self._as_stored and self.form.ready:
                head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":['
                head %= (kind.encode(), api_version.encode(), orjson.dumps(metadata))
                pieces = [head]
                for entry in entries:
                    pieces += (entry.raw, b",")
                if len(pieces) > 1:
                    pieces.pop()
                pieces.append(b"]}\n")
                answer = Response(b"", 200, self.form.content_type, pieces=pieces)
                if len(pieces) < _FEW_PIECES:
                    answer.whole()
                return answer
            items = [self._convert(entry.object()) for entry in entries]
        whole = {"kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items}
        return self.response(body(self.form, whole))

    def event_writer(self) -> Callable[[str, Entry, bytes | None], bytes]:
        """A function that makes a watch event's line of its type, entry and (where it is plain) ready-made line."""
        if self._as_stored and self.form.ready:

            def plain(type_: str, entry: Entry, line: bytes | None) -> bytes:
                return line or b'{"type":"%b","object":%b}\n' % (type_.encode(), entry.raw)

            return plain
        tables = self.tables()

        def made(type_: str, entry: Entry, line: bytes | None) -> bytes:
            obj = entry.object()
            if self.form.kind == TABLE:
                shown = tables.event_object(obj)
            elif self.form.kind == PARTIAL:
                shown = _partial(obj, self.form.version)
            else:
                shown = self._convert(obj)
            return self.event(type_, shown)

        return made

    def event(self, type_: str, obj: Object) -> bytes:
        """A watch event in the form's encoding."""
        if self.form.protobuf:
            return encode_event(type_, obj)
        return orjson.dumps({"type": type_, "object": obj}) + b"\n"

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """A BOOKMARK event."""
        metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        if self.form.kind == TABLE:
            obj: Object = self.tables().table([], {"resourceVersion": str(revision)})
            if initial_end:
                obj["rows"] = [{"cells": [], "object": {"kind": "PartialObjectMetadata", "metadata": metadata}}]
        elif self.form.kind == PARTIAL:
            obj = _partial({"metadata": metadata}, self.form.version)
        else:
            obj = {"kind": self.info.kind, "apiVersion": self.info.api_version(self.version), "metadata": metadata}
        return self.event("BOOKMARK", obj)
