"""/livez, /readyz and /healthz, with upstream's forms: one check, some excluded, or all told apart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.storage.etcd import EtcdError
from kprov.kube.apiserver.storage.store import Store

Check = Callable[[], Awaitable[str | None]]
"""What is wrong, or None."""


class Health:
    """The checks, by path."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.bootstrapped = False
        self.stopping = False
        live: dict[str, Check] = {"ping": self._ping, "etcd": self._etcd}
        started: dict[str, Check] = {"poststarthook/rbac/bootstrap-roles": self._bootstrapped}
        self._checks: dict[str, dict[str, Check]] = {
            "livez": {**live, **started},
            "readyz": {**live, "informer-sync": self._bootstrapped, **started, "shutdown": self._shutdown},
            "healthz": {**live, **started},
        }

    async def _ping(self) -> str | None:
        return None

    async def _etcd(self) -> str | None:
        try:
            await self._store.etcd.ready()
        except EtcdError as error:
            return f"etcd failed: {error}"
        return None

    async def _bootstrapped(self) -> str | None:
        return None if self.bootstrapped else "not finished"

    async def _shutdown(self) -> str | None:
        return "process is shutting down" if self.stopping else None

    async def answer(self, request: Request) -> Response | None:
        """The answer to a health path, or None where it is none."""
        path, _, single = request.path.strip("/").partition("/")
        checks = self._checks.get(path)
        if checks is None or (single and single not in checks):
            return None
        if single:
            checks = {single: checks[single]}
        excluded = set(request.query.getall("exclude", []))
        lines, failed = [], []
        for name, check in checks.items():
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
                continue
            problem = await check()
            if problem is None:
                lines.append(f"[+]{name} ok")
            else:
                lines.append(f"[-]{name} failed: reason withheld")
                failed.append(name)
        if failed:
            text = "\n".join([*lines, f"{path} check failed", ""])
            return Response(text.encode(), 500, "text/plain; charset=utf-8")
        if "verbose" in request.query:
            text = "\n".join([*lines, f"{path} check passed", ""])
        else:
            text = "ok"
        return Response(text.encode(), 200, "text/plain; charset=utf-8")
