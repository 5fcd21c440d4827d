"""CustomResourceDefinitions in v1beta1, which old clients speak and upstream 1.20 stores, and in v1."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

_WEBHOOK = (("webhookClientConfig", "clientConfig"), ("conversionReviewVersions", "conversionReviewVersions"))


def to_v1(obj: Object) -> Object:
    """v1beta1 -> v1: what stood once for all versions stands in each."""
    spec = dict(obj.get("spec") or {})
    version = spec.pop("version", None)
    schema = spec.pop("validation", None)
    shared = {"schema": schema, "subresources": spec.pop("subresources", None),
              "additionalPrinterColumns": _columns(spec.pop("additionalPrinterColumns", None), "JSONPath", "jsonPath")}  # fmt: skip # noqa: E501
    versions = [dict(each) for each in spec.get("versions") or ()]
    if not versions and version:
        versions = [{"name": version, "served": True, "storage": True}]
    for each in versions:
        if "additionalPrinterColumns" in each:
            each["additionalPrinterColumns"] = _columns(each["additionalPrinterColumns"], "JSONPath", "jsonPath")
        for name, value in shared.items():
            if value:
                each.setdefault(name, value)
    spec["versions"] = versions
    if spec.setdefault("preserveUnknownFields", True) is False:
        del spec["preserveUnknownFields"]
    spec.setdefault("scope", "Namespaced")
    conversion = dict(spec.get("conversion") or {})
    webhook = {to: conversion.pop(of) for of, to in _WEBHOOK if of in conversion}
    if webhook and conversion.get("strategy") == "Webhook":
        conversion["webhook"] = webhook
    if conversion:
        spec["conversion"] = conversion
    return {**obj, "spec": spec}


def to_v1beta1(obj: Object) -> Object:
    """v1 -> v1beta1: what all versions share stands once."""
    spec = dict(obj.get("spec") or {})
    versions = [dict(each) for each in spec.get("versions") or ()]
    if versions:
        spec["version"] = versions[0].get("name", "")
    for name, top in (("schema", "validation"), ("subresources", "subresources"),
                      ("additionalPrinterColumns", "additionalPrinterColumns")):  # fmt: skip
        values = [each.get(name) for each in versions]
        if values and values[0] and all(value == values[0] for value in values):
            for each in versions:
                del each[name]
            spec[top] = values[0]
    spec["versions"] = versions
    for holder in (spec, *versions):
        if holder.get("additionalPrinterColumns"):
            holder["additionalPrinterColumns"] = _columns(holder["additionalPrinterColumns"], "jsonPath", "JSONPath")
    spec.setdefault("preserveUnknownFields", False)
    conversion = dict(spec.get("conversion") or {})
    webhook = conversion.pop("webhook", None) or {}
    for to, of in _WEBHOOK:
        if of in webhook:
            conversion[to] = webhook[of]
    if conversion:
        spec["conversion"] = conversion
    return {**obj, "spec": spec}


def _columns(columns: list[Object] | None, of: str, to: str) -> list[Object] | None:
    return columns and [{(to if name == of else name): value for name, value in each.items()} for each in columns]
