"""JSON patch (RFC 6902)."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.patches.error import PatchError

MAX_OPERATIONS = 10_000


def apply_json_patch(obj: Any, patch: Any) -> Any:
    """A patched copy.

    Raises:
        PatchError: the patch is malformed, or one of its operations does not fit the object.
    """
    import jsonpatch  # only for those who send one

    if not isinstance(patch, list):
        raise PatchError("a JSON patch is a list of operations")
    if len(patch) > MAX_OPERATIONS:
        raise PatchError(f"the allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(patch)}")
    try:
        return jsonpatch.apply_patch(obj, patch)
    except jsonpatch.InvalidJsonPatch as error:
        raise PatchError(f"invalid JSON patch: {error}") from None
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise PatchError(str(error), unprocessable=True) from None
