"""A short notation for RBAC rules and for the objects that carry them.

The tables of this folder are upstream's default policy. They are written as words separated by blanks, because a
policy is read far more often than it is changed. "core" stands for the group whose name is the empty string.
"""

from typing import Any

Rule = dict[str, Any]
Object = dict[str, Any]

READ = "get list watch"
WRITE = "create update patch delete deletecollection"
READ_WRITE = f"{READ} {WRITE}"
READ_UPDATE = f"{READ} update patch"

RBAC_GROUP = "rbac.authorization.k8s.io"
RBAC_VERSION = f"{RBAC_GROUP}/v1"

# Marks what the API server keeps up to date itself; an administrator turns the annotation to "false" to take over.
DEFAULT_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
DEFAULT_ANNOTATIONS = {"rbac.authorization.kubernetes.io/autoupdate": "true"}


def rule(verbs: str, groups: str, resources: str, names: str = "") -> Rule:
    """One rule over resources.

    Args:
        verbs: verbs separated by blanks.
        groups: API groups separated by blanks; "core" is the group without a name.
        resources: resources, with their subresources, separated by blanks.
        names: the only object names that the rule covers, if not all.

    Returns:
        A PolicyRule in its JSON form.
    """
    made: Rule = {
        "verbs": verbs.split(),
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": sorted(resources.split()),
    }
    if names:
        made["resourceNames"] = names.split()
    return made


def url_rule(verbs: str, urls: str) -> Rule:
    """One rule over paths that are not resources."""
    return {"verbs": verbs.split(), "nonResourceURLs": urls.split()}


def events_rule() -> Rule:
    """What every component needs to tell what it did."""
    return rule("create update patch", "core events.k8s.io", "events")


def _metadata(name: str, namespace: str = "", labels: dict[str, str] | None = None) -> Object:
    metadata: Object = {
        "name": name,
        "labels": {**DEFAULT_LABELS, **(labels or {})},
        "annotations": dict(DEFAULT_ANNOTATIONS),
    }
    if namespace:
        metadata["namespace"] = namespace
    return metadata


def cluster_role(name: str, *rules: Rule, labels: dict[str, str] | None = None) -> Object:
    """A ClusterRole of the default policy."""
    return {
        "apiVersion": RBAC_VERSION,
        "kind": "ClusterRole",
        "metadata": _metadata(name, labels=labels),
        "rules": list(rules),
    }


def role(namespace: str, name: str, *rules: Rule) -> Object:
    """A Role of the default policy."""
    return {
        "apiVersion": RBAC_VERSION,
        "kind": "Role",
        "metadata": _metadata(name, namespace),
        "rules": list(rules),
    }


def _subjects(users: str, groups: str, accounts: str) -> list[Object]:
    named = [{"kind": "User", "apiGroup": RBAC_GROUP, "name": user} for user in users.split()]
    named += [{"kind": "Group", "apiGroup": RBAC_GROUP, "name": group} for group in groups.split()]
    for account in accounts.split():
        namespace, _, name = account.partition("/")
        named.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    return named


def cluster_binding(role_name: str, *, users: str = "", groups: str = "", accounts: str = "") -> Object:
    """A ClusterRoleBinding named after its role. Accounts are written "namespace/name"."""
    binding: Object = {
        "apiVersion": RBAC_VERSION,
        "kind": "ClusterRoleBinding",
        "metadata": _metadata(role_name),
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role_name},
    }
    subjects = _subjects(users, groups, accounts)
    if subjects:
        binding["subjects"] = subjects
    return binding


def binding(
    namespace: str, role_name: str, *, name: str = "", users: str = "", groups: str = "", accounts: str = ""
) -> Object:
    """A RoleBinding to a Role of the same namespace, named after it unless told otherwise."""
    return {
        "apiVersion": RBAC_VERSION,
        "kind": "RoleBinding",
        "metadata": _metadata(name or role_name, namespace),
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "Role", "name": role_name},
        "subjects": _subjects(users, groups, accounts),
    }
