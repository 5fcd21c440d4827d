"""Roles and bindings that live in kube-system and kube-public."""

from kprov.kube.apiserver.bootstrap.rules import READ, Object, binding, events_rule, role, rule

_SYSTEM = "kube-system"
_PUBLIC = "kube-public"
_AUTHENTICATION_READER = "extension-apiserver-authentication-reader"


def namespace_roles() -> list[Object]:
    """The Roles, each with its namespace."""
    return [
        role(_SYSTEM, _AUTHENTICATION_READER, rule(READ, "core", "configmaps", "extension-apiserver-authentication")),
        role(_SYSTEM, "system:controller:bootstrap-signer", rule(READ, "core", "secrets")),
        role(_SYSTEM, "system:controller:cloud-provider", rule("create get list watch", "core", "configmaps")),
        role(
            _SYSTEM,
            "system:controller:token-cleaner",
            rule("get list watch delete", "core", "secrets"),
            events_rule(),
        ),
        *(
            role(
                _SYSTEM,
                f"system::leader-locking-{component}",
                rule("watch", "core", "configmaps"),
                rule("get update", "core", "configmaps", component),
            )
            for component in ("kube-controller-manager", "kube-scheduler")
        ),
        role(
            _PUBLIC,
            "system:controller:bootstrap-signer",
            rule(READ, "core", "configmaps"),
            rule("update", "core", "configmaps", "cluster-info"),
            events_rule(),
        ),
    ]


def namespace_bindings() -> list[Object]:
    """The RoleBindings to them."""
    return [
        binding(
            _SYSTEM,
            _AUTHENTICATION_READER,
            name=f"system::{_AUTHENTICATION_READER}",
            users="system:kube-controller-manager system:kube-scheduler",
        ),
        *(
            binding(
                _SYSTEM,
                f"system::leader-locking-{component}",
                users=f"system:{component}",
                accounts=f"{_SYSTEM}/{component}",
            )
            for component in ("kube-controller-manager", "kube-scheduler")
        ),
        *(
            binding(_SYSTEM, f"system:controller:{account}", accounts=f"{_SYSTEM}/{account}")
            for account in ("bootstrap-signer", "cloud-provider", "token-cleaner")
        ),
        binding(_PUBLIC, "system:controller:bootstrap-signer", accounts=f"{_SYSTEM}/bootstrap-signer"),
    ]
