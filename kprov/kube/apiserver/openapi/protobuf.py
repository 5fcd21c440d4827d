"""OpenAPI v2 in the protobuf form that kubectl reads until 1.2x: application/com.github.proto-openapi.spec.v2@v1.0."""

from __future__ import annotations

from typing import Any

import orjson

from kprov.kube.apiserver.openapi.proto import openapi_v2_pb2 as messages

Document = dict[str, Any]
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})


def _extensions(target: Any, source: Document) -> None:
    """Vendor extensions travel as YAML; JSON is YAML."""
    for key, value in source.items():
        if key.startswith("x-"):
            entry = target.vendor_extension.add(name=key)
            entry.value.yaml = orjson.dumps(value).decode()


def _fill_schema(target: messages.Schema, source: Document) -> None:
    if "$ref" in source:
        setattr(target, "_ref", source["$ref"])  # noqa: B010 - a plain attribute would be mangled in a class
    target.format = source.get("format", "")
    target.description = source.get("description", "")
    target.required.extend(source.get("required", ()))
    if "type" in source:
        target.type.value.append(source["type"])
    if isinstance(source.get("items"), dict):
        _fill_schema(target.items.schema.add(), source["items"])
    additional = source.get("additionalProperties")
    if isinstance(additional, bool):
        target.additional_properties.boolean = additional
    elif additional is not None:
        target.additional_properties.schema.SetInParent()
        _fill_schema(target.additional_properties.schema, additional)
    for name, schema in source.get("properties", {}).items():
        _fill_schema(target.properties.additional_properties.add(name=name).value, schema)
    _extensions(target, source)


def _fill_parameter(target: messages.Parameter, source: Document) -> None:
    place = source.get("in")
    if "$ref" in source or place not in ("body", "path", "query"):
        return  # other servers' headers and forms: nothing that a reader of this form looks for
    if place == "body":
        body = target.body_parameter
        body.name = source["name"]
        setattr(body, "in", "body")
        body.required = source.get("required", False)
        _fill_schema(body.schema, source["schema"])
        return
    both = target.non_body_parameter
    parameter = both.path_parameter if place == "path" else both.query_parameter
    parameter.name, parameter.required = source["name"], source.get("required", False)
    parameter.type = source.get("type", "string")
    setattr(parameter, "in", place)


def _fill_operation(target: messages.Operation, source: Document) -> None:
    target.operation_id = source.get("operationId", "")
    target.consumes.extend(source.get("consumes", ()))
    target.produces.extend(source.get("produces", ()))
    for parameter in source.get("parameters", ()):
        _fill_parameter(target.parameters.add().parameter, parameter)
    for code, response in source.get("responses", {}).items():
        answer = target.responses.response_code.add(name=code).value.response
        answer.description = response.get("description", "")
        if "schema" in response:
            _fill_schema(answer.schema.schema, response["schema"])
    _extensions(target, source)


def encode(document: Document) -> bytes:
    """An OpenAPI v2 document as protobuf bytes."""
    message = messages.Document(swagger=document["swagger"])
    message.info.title, message.info.version = document["info"]["title"], document["info"]["version"]
    for path, item in document["paths"].items():
        entry = message.paths.path.add(name=path).value
        for method, operation in item.items():
            if method not in _METHODS:
                continue
            _fill_operation(getattr(entry, method), operation)
    for name, schema in document["definitions"].items():
        _fill_schema(message.definitions.additional_properties.add(name=name).value, schema)
    return bytes(message.SerializeToString())
