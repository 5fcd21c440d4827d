"""ResourceInfo: everything about a kind that is data."""

from __future__ import annotations

from dataclasses import dataclass, field

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class ResourceInfo:
    """One kind that is served, whatever the version asked for.

    ``versions`` holds the served versions, the preferred one first; objects are stored as ``storage_version`` of
    ``storage_group``. A kind without ``storage_prefix`` is never stored (reviews).
    """

    group: str
    versions: tuple[str, ...]
    plural: str
    kind: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    storage_prefix: str = ""  # below /registry, without slashes at its ends: "services/specs"
    storage_group: str = ""
    storage_version: str = "v1"
    verbs: tuple[str, ...] = ALL_VERBS
    tracks_generation: bool = False  # metadata.generation counts the changes of everything but metadata and status
    selectable_fields: tuple[str, ...] = ()  # besides metadata.name and metadata.namespace
    status_on_create: bool = False  # a client that creates it may set its status (kubelets register so)
    create_on_update: bool = False  # PUT of a name that does not exist creates it
    unconditional_update: bool = True  # PUT without resourceVersion overwrites
    subresource_kinds: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # name -> group, version, kind

    @property
    def key(self) -> tuple[str, str]:
        """What strategies, columns and caches are looked up by."""
        return (self.group, self.plural)

    @property
    def group_resource(self) -> str:
        """ "pods" or "deployments.apps", as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_kind(self) -> str:
        """The kind of a list of it."""
        return f"{self.kind}List"

    @property
    def storage_api_version(self) -> str:
        """The apiVersion inside stored values."""
        return f"{self.storage_group}/{self.storage_version}" if self.storage_group else self.storage_version

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own subresource only."""
        return "status" in self.subresources

    def api_version(self, version: str) -> str:
        """The apiVersion of an object of it in one of the served versions."""
        return f"{self.group}/{version}" if self.group else version
