"""One request as the audit log has it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from kprov.kube.apiserver import protobuf
from kprov.kube.apiserver.audit.policy import Level, Rule
from kprov.kube.apiserver.handlers import yaml_body
from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.request import UserInfo

Object = dict[str, Any]
_LARGEST_IDENTIFIER = 64


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _now() -> str:
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


def _identifier() -> str:
    """A random UUID of version 4. Nothing hangs on its being guessed, so the kernel is not asked for each."""
    text = f"{random.getrandbits(128) & ~(0xF << 76 | 3 << 62) | (4 << 76 | 2 << 62):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(slots=True)
class Event:
    """What is known of a request so far."""

    rule: Rule
    request: Request
    user: UserInfo
    impersonated: UserInfo | None = None
    id: str = ""
    received: str = field(default_factory=_now)
    annotations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = self.request.headers.get("Audit-ID", "")
        fine = 0 < len(given) <= _LARGEST_IDENTIFIER and given.isprintable()
        self.id = given if fine else _identifier()

    def line(self, stage: str, status: int = 0, answer: Response | None = None) -> bytes:
        """The event at a stage, as a line of JSON."""
        request, info = self.request, self.request.info
        out: Object = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": self.rule.level.wire,
            "auditID": self.id,
            "stage": stage,
            "requestURI": request.raw_path,
            "verb": info.verb,
            "user": self.user.as_dict(),
        }
        if self.impersonated is not None:
            out["impersonatedUser"] = self.impersonated.as_dict()
        if request.remote:
            out["sourceIPs"] = [request.remote]
        if agent := request.headers.get("User-Agent", ""):
            out["userAgent"] = agent
        if info.is_resource:
            out["objectRef"] = self._reference()
        if status:
            out["responseStatus"] = _status(status, answer)
        if self.rule.level >= Level.Request and (sent := self._sent()) is not None:
            out["requestObject"] = sent
        if self.rule.level is Level.RequestResponse and answer is not None:
            received = _object(answer.whole(), answer.content_type)
            if received is not None:
                out["responseObject"] = self._shown(received)
        out["requestReceivedTimestamp"] = self.received
        out["stageTimestamp"] = _now()
        if self.annotations:
            out["annotations"] = self.annotations
        return orjson.dumps(out) + b"\n"

    def _reference(self) -> Object:
        info = self.request.info
        found = {
            "resource": info.resource,
            "namespace": info.namespace,
            "name": info.name,
            "apiGroup": info.api_group,
            "apiVersion": info.api_version,
            "subresource": info.subresource,
        }
        return {key: value for key, value in found.items() if value}

    def _sent(self) -> Object | None:
        request = self.request
        if not request.body or request.method == "GET":
            return None
        found = _object(request.body, request.headers.get("Content-Type", "application/json"))
        return None if found is None else self._shown(found)

    def _shown(self, obj: Any) -> Any:
        if self.rule.omit_managed_fields and isinstance(obj, dict):
            for each in (obj, *(item for item in obj.get("items") or () if isinstance(item, dict))):
                if isinstance(each.get("metadata"), dict):
                    each["metadata"].pop("managedFields", None)
        return obj


def _object(body: bytes, content_type: str) -> Any:
    """A body as JSON; None for what is none."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == protobuf.MEDIA_TYPE:
            return protobuf.decode(body)
        if "json" in kind:
            return orjson.loads(body)
        if "yaml" in kind:
            return yaml_body.load(body)
    except Exception:  # the client sent what can't be read: the refusal says so
        return None
    return None


def _status(code: int, answer: Response | None) -> Object:
    """The response's status; a failure's reason and message with it."""
    out: Object = {"metadata": {}, "code": code}
    if answer is not None and code >= 400:
        said = _object(answer.whole(), answer.content_type)
        if isinstance(said, dict) and said.get("kind") == "Status":
            out |= {key: said[key] for key in ("status", "message", "reason", "details") if key in said}
    return out
