"""Requests that are somewhat wrong, by the thousand: refused as clients' mistakes, and nothing else happens.

$KPROV_FUZZ_SECONDS (15) says how long, $KPROV_FUZZ_SEED which dice.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import aiohttp
from fuzz_requests import Requests, Wrong
from history_servers import Servers, insecure, servers

_LENGTH = float(os.environ.get("KPROV_FUZZ_SECONDS", "15"))
_SEED = int(os.environ.get("KPROV_FUZZ_SEED", "0")) or random.randrange(1, 1 << 30)
_AT_A_TIME = 8
_MOST = 20  # faults, then it is enough
_ANSWER_SECONDS = 20.0
_MEMORY_MB = 400
_NOT_OURS = ("conversion webhook", "failed calling webhook")  # of definitions that name webhooks which nobody runs


async def test_wrong_requests_are_told_so(tmp_path: Path) -> None:
    with servers(tmp_path / "plane", 1) as running:
        faults, codes = await _fuzz(running)
        memory = running.memory_mb(0)
        running.wait_ready(0)
        logs = running.logs()
    what = f"seed {_SEED}: {dict(sorted(codes.items()))}, {memory:.0f} MB"
    print(what)
    assert faults == [], f"{what}\n" + "\n".join(faults[:5])
    assert "Traceback" not in logs, f"{what}\n{logs[-6000:]}"
    assert memory < _MEMORY_MB, what
    assert sum(codes.values()) > 200 and codes[201] and codes[200] and codes[400] and codes[404] and codes[422], what


async def _fuzz(running: Servers) -> tuple[list[str], Counter[int]]:
    base, faults, codes = f"https://127.0.0.1:{running.ports[0]}", list[str](), Counter[int]()
    headers = {"Authorization": f"Bearer {running.token}", "User-Agent": "fuzz"}
    async with aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(ssl=insecure(), limit=0),
        timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS),
    ) as http:
        async with http.post(
            f"{base}/api/v1/namespaces/default/serviceaccounts", json={"metadata": {"name": "default"}}
        ):
            pass
        async with http.get(f"{base}/openapi/v2") as response:
            requests = Requests(await response.json(content_type=None), _SEED)
        until = time.monotonic() + _LENGTH

        async def send() -> None:
            while time.monotonic() < until and len(faults) < _MOST:
                made = requests.make()
                code, fault = await _ask(http, base, made, requests)
                codes[code] += 1
                if fault:
                    faults.append(f"{fault}: {made}")

        await asyncio.gather(*(send() for _ in range(_AT_A_TIME)))
    return faults, codes


async def _ask(http: aiohttp.ClientSession, base: str, made: Wrong, requests: Requests) -> tuple[int, str]:
    """The status, and what is wrong with the answer."""
    from yarl import URL

    try:
        url = URL(base + made.path, encoded=True)
        async with http.request(made.method, url, data=made.body, headers=made.headers) as response:
            text = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        return 0, f"no answer: {error!r}"
    if response.status >= 500:
        known = response.status == 504 and b"resource version" in text
        return response.status, "" if known or any(each.encode() in text for each in _NOT_OURS) else f"{text[:300]!r}"
    if response.content_type == "application/json" and text and "watch=" not in made.path:
        try:
            answer = json.loads(text)
        except ValueError:
            return response.status, f"no JSON: {text[:300]!r}"
        if response.status >= 400 and answer.get("kind") != "Status":
            return response.status, f"no Status: {text[:300]!r}"
        if response.status == 201:
            requests.took(made, answer)
    return response.status, ""
