"""ServiceAccount: every pod runs as one, and finds its token, the cluster's authority and its namespace in a volume."""

from __future__ import annotations

import asyncio
import secrets

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Object, Plugin, forbid
from kprov.kube.apiserver.authentication.objects import SERVICE_ACCOUNTS
from kprov.kube.apiserver.authorization.node_graph import pod_references

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
MIRROR = "kubernetes.io/config.mirror"
_VOLUME_PREFIX = "kube-api-access-"
_ENFORCE = "kubernetes.io/enforce-mountable-secrets"
# The default account is made by a controller a moment after its namespace: wait for it, as upstream does.
_ATTEMPTS, _PAUSE_SECONDS = 10, 0.15
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class ServiceAccount(Plugin):
    """See the module."""

    name = "ServiceAccount"
    resources = frozenset((("", "pods"),))
    operations = frozenset(("CREATE",))
    caches = (SERVICE_ACCOUNTS,)

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Name the account, and mount what it needs."""
        pod = attrs.obj or {}
        spec = pod["spec"]
        if _is_mirror(pod):
            return
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._find(attrs, name)
        if _wants_token(account, spec):
            _mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [{"name": each["name"]} for each in account["imagePullSecrets"]]

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """The account exists, and mirror pods refer to nothing."""
        pod = attrs.obj or {}
        spec = pod["spec"]
        if _is_mirror(pod):
            self._check_mirror(attrs, spec)
            return
        account = await self._find(attrs, spec.get("serviceAccountName") or "default")
        enforced = (account["metadata"].get("annotations") or {}).get(_ENFORCE, "")
        if enforced.lower() in ("true", "1", "t"):
            _check_secrets(attrs, spec, account)

    @staticmethod
    def _check_mirror(attrs: AdmissionAttributes, spec: Object) -> None:
        if spec.get("serviceAccountName"):
            raise forbid(attrs, "a mirror pod may not reference service accounts")
        pod = {"metadata": {"name": "", "namespace": ""}, "spec": spec}
        if any(plural == "secrets" for plural, _, _ in pod_references(pod)):
            raise forbid(attrs, "a mirror pod may not reference secrets")
        for volume in spec.get("volumes") or ():
            for source in (volume.get("projected") or {}).get("sources") or ():
                if source.get("serviceAccountToken"):
                    raise forbid(attrs, "a mirror pod may not use ServiceAccountToken volume projections")

    async def _find(self, attrs: AdmissionAttributes, name: str) -> Object:
        found = self.store.cached_get(SERVICE_ACCOUNTS, attrs.namespace, name)
        if found is not None:
            return found
        for attempt in range(_ATTEMPTS if name == "default" else 1):
            if attempt:
                await asyncio.sleep(_PAUSE_SECONDS)
            try:
                return await self.store.get(SERVICE_ACCOUNTS, attrs.namespace, name)
            except ApiError as error:
                if not errors.is_not_found(error):
                    raise
        message = f'error looking up service account {attrs.namespace}/{name}: serviceaccount "{name}" not found'
        raise forbid(attrs, message)


def _is_mirror(pod: Object) -> bool:
    return MIRROR in (pod["metadata"].get("annotations") or {})


def _wants_token(account: Object, spec: Object) -> bool:
    for holder in (spec, account):
        wish = holder.get("automountServiceAccountToken")
        if wish is not None:
            return bool(wish)
    return True


def _mount_token(spec: Object) -> None:
    """Mount the token in every container that has not put something else there."""
    volumes = spec.get("volumes") or []
    present = next((each["name"] for each in volumes if str(each.get("name")).startswith(_VOLUME_PREFIX)), "")
    name = present or _VOLUME_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(5))
    mount = {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
    needed = False
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            mounts = container.get("volumeMounts") or []
            if not any(each.get("mountPath") == MOUNT_PATH for each in mounts):
                container["volumeMounts"] = [*mounts, dict(mount)]
                needed = True
    if needed and not present:
        spec["volumes"] = [*volumes, _token_volume(name)]


def _token_volume(name: str) -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [namespace]}},
            ],
            "defaultMode": 420,
        },
    }


def _check_secrets(attrs: AdmissionAttributes, spec: Object, account: Object) -> None:
    """An account may be limited to the secrets that it lists."""
    name = account["metadata"]["name"]
    mountable = {each.get("name") for each in account.get("secrets") or ()}
    for volume in spec.get("volumes") or ():
        secret = (volume.get("secret") or {}).get("secretName")
        if secret and secret not in mountable:
            raise forbid(
                attrs,
                f'volume with secret.secretName="{secret}" is not allowed because service account {name} does not '
                "reference that secret",
            )
    for field, title in (("initContainers", "init container"), ("containers", "container")):
        for container in spec.get(field) or ():
            for variable in container.get("env") or ():
                secret = ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")
                if secret and secret not in mountable:
                    raise forbid(
                        attrs,
                        f"{title} {container['name']} with envVar {variable['name']} referencing "
                        f'secret.secretName="{secret}" is not allowed because service account {name} does not '
                        "reference that secret",
                    )
    pullable = {each.get("name") for each in account.get("imagePullSecrets") or ()}
    for index, each in enumerate(spec.get("imagePullSecrets") or ()):
        if each.get("name") not in pullable:
            raise forbid(
                attrs,
                f'imagePullSecrets[{index}].name="{each.get("name")}" is not allowed because service account {name} '
                "does not reference that imagePullSecret",
            )
