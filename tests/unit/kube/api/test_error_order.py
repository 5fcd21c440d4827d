"""Refusals have upstream's order of fields: some clients compare their text."""

import json

from kprov.kube.api import errors
from kprov.kube.api.kinds import DEPLOYMENTS


def test_a_refusal_is_ordered_as_upstream_orders_it() -> None:
    assert json.dumps(errors.already_exists(DEPLOYMENTS, "web").status) == json.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'deployments.apps "web" already exists',
            "reason": "AlreadyExists",
            "details": {"name": "web", "group": "apps", "kind": "deployments"},
            "code": 409,
        }
    )
    details = errors.make(429, "TooManyRequests", "", retryAfterSeconds=1, causes=[{}], other="x", name="n").status[
        "details"
    ]
    assert list(details) == ["name", "causes", "retryAfterSeconds", "other"]
