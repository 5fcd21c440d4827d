"""What a call to the API server may fail with."""

from __future__ import annotations

import aiohttp

from kprov.kube.api.errors import ApiError

# refused, unreachable, cut off, or too slow
API_FAILURES = (ApiError, aiohttp.ClientError, TimeoutError, OSError)
