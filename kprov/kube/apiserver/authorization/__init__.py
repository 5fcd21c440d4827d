"""Authorization: whether a user may do what they ask for."""

from kprov.kube.apiserver.authorization.decision import Authorizer, Decision

__all__ = ["Authorizer", "Decision"]
