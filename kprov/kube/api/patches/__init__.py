"""The patches of the API: JSON patch, merge patch, strategic merge patch."""

from kprov.kube.api.patches.error import PatchError
from kprov.kube.api.patches.json_patch import apply_json_patch
from kprov.kube.api.patches.merge_patch import apply_merge_patch
from kprov.kube.api.patches.strategic_merge_patch import apply_strategic_merge_patch

__all__ = ["PatchError", "apply_json_patch", "apply_merge_patch", "apply_strategic_merge_patch"]
