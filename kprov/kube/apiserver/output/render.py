"""Entries and objects into response bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.output.accept import PARTIAL, PLAIN, TABLE, Form, form_of
from kprov.kube.apiserver.output.json_list import JSONListEncoder
from kprov.kube.apiserver.output.table import TableMaker
from kprov.kube.apiserver.protobuf.encode import ListEncoder, encodable, encode, encode_event, envelope, event, pack
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.versions import from_storage, is_storage_version

Object = dict[str, Any]
_FEW_PIECES = 100  # that are put together at once
_AT_ONCE = 100  # objects that are put into another form before others get their turn


def _partial(obj: Object, version: str) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": obj["metadata"]}


def _pack(entry: Entry) -> bytes:
    """An entry in protobuf, kept for who asks next."""
    packed = pack(entry.object())
    entry.keep_packed(packed)
    return packed


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

    @property
    def stateless(self) -> bool:
        """Whether an event is put into the same words whatever came before it: of tables the first has more."""
        return self.form.kind != TABLE

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
        if self._as_stored and self.form.packed:
            return self.response(self._enveloped(entry), status)
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

    async def list(self, entries: Sequence[Entry], metadata: Object) -> Response:
        """Many stored objects. While many are put into another form than the stored one, others get their turn."""
        if self.form.kind == PLAIN and self._as_stored and self.form.ready:
            pieces = self._joined(entries, metadata)
        elif self._as_stored and self.form.packed:
            pieces = await self._packed(entries, metadata)
        elif self.form.yaml:
            head, member, show = self._list_form(metadata)
            return self.response(body(self.form, {**head, member: [show(entry.object()) for entry in entries]}))
        else:
            pieces = await self._gathered(entries, metadata)
        answer = Response(b"", 200, self.form.content_type, pieces=pieces)
        if len(pieces) < _FEW_PIECES:
            answer.whole()
        return answer

    def _joined(self, entries: Sequence[Entry], metadata: Object) -> Sequence[bytes]:
        kind, api_version = self.info.list_kind, self.info.api_version(self.version)
        head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":['
        pieces = [head % (kind.encode(), api_version.encode(), orjson.dumps(metadata))]
        for entry in entries:
            pieces += (entry.raw, b",")
        if len(pieces) > 1:
            pieces.pop()
        pieces.append(b"]}\n")
        return pieces

    async def _packed(self, entries: Sequence[Entry], metadata: Object) -> Sequence[bytes]:
        """A list in protobuf, of what is kept of the entries. What is not yet is made, others get turns meanwhile."""
        encoder = ListEncoder(self._list_form(metadata)[0])
        found, made = [], 0
        for entry in entries:
            packed = entry.packed
            if packed is None:
                packed, made = _pack(entry), made + 1
                if made % _AT_ONCE == 0:
                    await asyncio.sleep(0)
            found.append(packed)
        encoder.add_packed(found)
        return encoder.finish()

    def _enveloped(self, entry: Entry) -> bytes:
        """An entry in protobuf, in the version in which it is stored."""
        return envelope(self.info.storage_api_version, self.info.kind, entry.packed or _pack(entry))

    async def _gathered(self, entries: Sequence[Entry], metadata: Object) -> Sequence[bytes]:
        head, member, show = self._list_form(metadata)
        encoder = ListEncoder(head) if self.form.protobuf else JSONListEncoder(head, member)
        for start in range(0, len(entries), _AT_ONCE):
            if start:
                await asyncio.sleep(0)
            encoder.add([show(entry.object()) for entry in entries[start : start + _AT_ONCE]])
        return encoder.finish()

    def _list_form(self, metadata: Object) -> tuple[Object, str, Callable[[Object], Object]]:
        """A list without its members, what they are called there, and how an object becomes one."""
        if self.form.kind == TABLE:
            tables = self.tables()
            head = tables.table([], metadata)
            head.pop("rows")
            return head, "rows", tables.row
        if self.form.kind == PARTIAL:
            head = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{self.form.version}"}
            return {**head, "metadata": metadata}, "items", lambda obj: _partial(obj, self.form.version)
        head = {"kind": self.info.list_kind, "apiVersion": self.info.api_version(self.version), "metadata": metadata}
        return head, "items", self._convert

    def event_writer(self) -> Callable[[str, Entry, bytes | None], bytes]:
        """A function that makes a watch event's line of its type, entry and (where it is plain) ready-made line."""
        if self._as_stored and self.form.ready:

            def plain(type_: str, entry: Entry, line: bytes | None) -> bytes:
                return line or b'{"type":"%b","object":%b}\n' % (type_.encode(), entry.raw)

            return plain
        if self._as_stored and self.form.packed:
            return lambda type_, entry, line: event(type_, self._enveloped(entry))
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
