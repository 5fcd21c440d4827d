"""ImageLocality: prefers nodes that have the pod's images already."""

from __future__ import annotations

import numpy as np

from kprov.kube.scheduler.framework import MAX_SCORE, Cycle, Plugin, Scores

_LEAST = 23 * 1024 * 1024
_MOST_PER_CONTAINER = 1000 * 1024 * 1024


def full_name(image: str) -> str:
    """An image's name with the tag that it means."""
    return image if image.rfind(":") > image.rfind("/") or "@" in image else f"{image}:latest"


class ImageLocality(Plugin):
    """Prefers nodes that have the pod's images; one that few nodes have counts less, so that pods do not pile up."""

    name = "ImageLocality"

    def score(self, cycle: Cycle) -> Scores | None:
        """The size of the images there, between 23 MB and 1000 MB a container."""
        if not any(full_name(image) in cycle.table.images for image in cycle.pod.images):
            return None
        scores: Scores = cycle.static(self.name, lambda: self._sizes(cycle))
        return scores

    def _sizes(self, cycle: Cycle) -> Scores:
        table = cycle.table
        total: Scores = np.zeros(table.size, np.int64)
        for image in cycle.pod.images:
            rows = table.images.get(full_name(image)) or {}
            for row, size in rows.items():
                total[row] += size * len(rows) // max(1, table.count)
        most = _MOST_PER_CONTAINER * max(1, len(cycle.pod.images))
        return (np.clip(total, _LEAST, most) - _LEAST) * MAX_SCORE // (most - _LEAST)
