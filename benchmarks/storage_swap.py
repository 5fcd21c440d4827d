"""Does kprov's kube-apiserver go on with what upstream's left in etcd, and upstream's with what kprov's left?

One etcd, and the two servers on it in turns, upstream's with --storage-media-type=application/json. The first creates
objects of every kind; the second must show each of them as the first did (same uid, same resourceVersion), change
them, and give out addresses and ports that are free; then the first comes back and must read what the second wrote.
Run: .venv/bin/python benchmarks/storage_swap.py [--first kprov|upstream]. Needs etcd and upstream's program.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apiservers import samples, servers
from apiservers.servers import Server

from kprov.lab.control_plane import command_lines
from kprov.lab.control_plane.plane import ControlPlane
from kprov.lab.control_plane.processes import Process

Object = dict[str, Any]
Place = tuple[str, str]  # collection, name
Shown = dict[tuple[str, str, str], Object]  # by collection, namespace, name
_JSON = "--storage-media-type=application/json"
_SECONDS = 30.0


class Client:
    """Asks one server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = server.connect()

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Object]:
        """A request's code and answer."""
        headers = {"Authorization": f"Bearer {self._server.token}", "Accept": "application/json", "Content-Type": kind}
        self._connection.request(
            method, path, None if body is None else json.dumps(body, separators=(",", ":")), headers
        )
        response = self._connection.getresponse()
        said = response.read()
        try:
            answer = json.loads(said)
        except ValueError:
            answer = {"message": said.decode(errors="replace")}
        return response.status, answer if isinstance(answer, dict) else {"message": str(answer)}

    def collections(self) -> dict[str, Object]:
        """Path of a kind in one version -> what discovery says of it, for kinds that are stored."""
        found = {}
        groups = self.ask("GET", "/apis")[1]["groups"]
        versions = [
            ("", "v1"),
            *((each["name"], version["version"]) for each in groups for version in each["versions"]),
        ]
        for group, version in versions:
            root = f"/apis/{group}/{version}" if group else f"/api/{version}"
            code, listed = self.ask("GET", root)
            if code != 200:
                continue  # of a server that is not there
            for each in listed["resources"]:
                if "/" not in each["name"] and {"create", "list", "delete"} <= set(each["verbs"]):
                    found[f"{root}/{each['name']}"] = {**each, "group": group, "version": version}
        return found


class Swap:
    """What is done, and what was wrong."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.wrong: list[str] = []
        self.counts: dict[str, int] = {}

    @contextlib.contextmanager
    def running(self, name: str, plane: ControlPlane) -> Iterator[Client]:
        """One of the two servers, on the etcd that is there."""
        program = [self._upstream] if name == "upstream" else [servers.kprov()]
        more = [_JSON] if name == "upstream" else []
        process = Process(plane.folder, f"kube-apiserver-{name}")
        began = time.monotonic()
        process.start([*program, *command_lines.apiserver(plane.folder, plane.ports)[1:], *more])
        try:
            token = (plane.folder / "tokens.csv").read_text().split(",", 1)[0]
            server = Server(name, plane.ports.apiserver, token, process, 0.0)
            servers.wait_ready(server, began + 60)
            yield Client(server)
        finally:
            process.stop()

    def check(self, good: bool, what: str) -> bool:
        """Note what is wrong."""
        if not good:
            self.wrong.append(what)
            print(f"  WRONG {what}", file=sys.stderr, flush=True)
        return good

    def create(self, client: Client, who: str) -> dict[Place, Object]:
        """One of each kind; what was created, by its place."""
        code, answer = client.ask("POST", "/api/v1/namespaces", samples.NAMESPACE)
        self.check(code == 201, f"{who}: the namespace: {answer}")
        self._until(lambda: client.ask("POST", "/api/v1/namespaces/samples/serviceaccounts",
                                       {"metadata": {"name": "default"}})[0] in (201, 409))  # fmt: skip
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        code, answer = client.ask("POST", definitions, samples.DEFINITION)
        self.check(code == 201, f"{who}: the definition: {answer}")
        self._until(lambda: client.ask("GET", "/apis/samples.example.com/v1/namespaces/samples/shirts")[0] == 200)
        made: dict[Place, Object] = {}
        done: set[tuple[str, str, str]] = set()
        for collection, info in sorted(client.collections().items(), key=lambda each: _order(each[0])):
            for sample in samples.samples_of(info["group"], info["version"], info["name"]):
                name = sample["metadata"]["name"]
                if (info["group"], info["name"], name) in done:
                    continue  # made in a version before
                done.add((info["group"], info["name"], name))
                path = _at(collection, info)
                code, answer = client.ask("POST", path, sample)
                if self.check(code == 201, f"{who}: POST {path} {name}: {code} {answer.get('message')}"):
                    made[path, name] = answer
        return made

    @staticmethod
    def _until(true: Any) -> None:
        end = time.monotonic() + _SECONDS
        while not true():
            if time.monotonic() > end:
                raise RuntimeError("a condition did not come true in time")
            time.sleep(0.05)

    @staticmethod
    def everything(client: Client) -> Shown:
        """Every object in every version: (collection, namespace, name) -> as it is shown; errors as they are told."""
        found: Shown = {}
        for collection in client.collections():
            code, listed = client.ask("GET", collection)
            if code != 200:
                found[collection, "", "(list)"] = {"code": code, "message": listed.get("message")}
            for item in listed.get("items") or ():
                metadata = item["metadata"]
                if not _is_own(collection, metadata):
                    found[collection, metadata.get("namespace", ""), metadata["name"]] = item
        return found

    def compare(
        self, before: dict[tuple[str, str, str], Object], after: dict[tuple[str, str, str], Object], who: str
    ) -> None:
        """Hold what a server shows against what the other showed, kind by kind in the versions that both have."""
        common = {key[0] for key in before} & {key[0] for key in after}
        same = 0
        for key, was in sorted(before.items()):
            if key[0] not in common or key[2] == "(list)":
                continue
            now = after.get(key)
            if not self.check(now is not None, f"{who}: {' '.join(key)} is not shown"):
                continue
            differs = list(_differences(was, now, who.startswith("upstream")))
            self.check(not differs, f"{who}: {' '.join(key)}: {'; '.join(differs)}")
            same += not differs
        for key, now in after.items():
            if key[2] == "(list)":
                self.check(False, f"{who}: {key[0]} cannot be listed: {now}")
        self.counts[f"{who} shows as the other did"] = same

    def change(self, client: Client, who: str, label: str) -> None:
        """Change every sample that a server shows, by a patch and by a full update that changes nothing more."""
        done = 0
        for collection, info in client.collections().items():
            path = _at(collection, info)
            listed = client.ask("GET", f"{path}?labelSelector=sample%3Dyes")[1]
            for item in listed.get("items") or ():
                name = item["metadata"]["name"]
                patch = {"metadata": {"annotations": {label: info["version"]}}}
                code, answer = client.ask("PATCH", f"{path}/{name}", patch, "application/merge-patch+json")
                if code == 422 and who.startswith("upstream") and "`selector` not auto-generated" in answer["message"]:
                    self.counts[f"{who} does not change, for it knows no Jobs with 1.27's labels"] = 1
                    continue
                if self.check(code == 200, f"{who}: PATCH {path}/{name}: {code} {answer.get('message')}"):
                    code, again = client.ask("PUT", f"{path}/{name}", answer)
                    done += self.check(code == 200, f"{who}: PUT {path}/{name}: {code} {again.get('message')}")
        self.counts[f"{who} changes"] = done

    def addresses(self, client: Client, who: str) -> None:
        """What one server gave out, the other must not give out again."""
        services = "/api/v1/namespaces/samples/services"
        taken = [each["spec"] for each in client.ask("GET", "/api/v1/services")[1]["items"]]
        addresses = {each.get("clusterIP") for each in taken} - {None, "", "None"}
        ports = {port.get("nodePort") for each in taken for port in each.get("ports") or ()} - {None, 0}
        for number in range(20):
            body = {"metadata": {"name": f"{who}-{number}", "labels": {"sample": "yes"}},
                    "spec": {"type": "NodePort", "ports": [{"port": 80}]}}  # fmt: skip
            code, answer = client.ask("POST", services, body)
            if self.check(code == 201, f"{who}: a Service: {answer.get('message')}"):
                spec = answer["spec"]
                fresh = spec["clusterIP"] not in addresses and spec["ports"][0]["nodePort"] not in ports
                self.check(fresh, f"{who}: gave out {spec} though it is taken")
        for address in sorted(addresses):
            body = {"metadata": {"name": "taken"}, "spec": {"clusterIP": address, "ports": [{"port": 80}]}}
            code, answer = client.ask("POST", services, body)
            self.check(code == 422, f"{who}: gave out {address} again")

    def delete(self, client: Client, who: str) -> None:
        """Every sample goes."""
        gone = 0
        for collection, info in client.collections().items():
            path = _at(collection, info)
            for item in client.ask("GET", f"{path}?labelSelector=sample%3Dyes")[1].get("items") or ():
                name = item["metadata"]["name"]
                body = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
                code, answer = client.ask("DELETE", f"{path}/{name}", body)
                gone += self.check(code == 200, f"{who}: DELETE {path}/{name}: {code} {answer.get('message')}")
        self.counts[f"{who} deletes"] = gone


def _at(collection: str, info: Object) -> str:
    root, _, plural = collection.rpartition("/")
    return f"{root}/namespaces/samples/{plural}" if info["namespaced"] else collection


def _order(collection: str) -> tuple[bool, str]:
    """The newest version that both know first: beta versions are for what has no other."""
    return "beta" in collection, collection


def _is_own(collection: str, metadata: Object) -> bool:
    """Whether each server keeps an object as it is itself: what it serves, its default policy, how it is reached."""
    labels = metadata.get("labels") or {}
    return (
        "kube-aggregator.kubernetes.io/automanaged" in labels
        or "kubernetes.io/bootstrapping" in labels
        or metadata["name"] == "extension-apiserver-authentication"
        or (metadata["name"] == "kubernetes" and metadata.get("namespace") == "default")
        or (collection.startswith("/apis/flowcontrol") and labels.get("sample") != "yes")
    )


# kind and apiVersion stand in each item of kprov's lists and in none of upstream's; what 1.20 does not know, it drops.
_OWN = frozenset(("managedFields", "selfLink", "kind", "apiVersion"))
_NEWER = frozenset(
    ("allocateLoadBalancerNodePorts", "availableReplicas", "completionMode", "internalTrafficPolicy", "maxSurge",
     "persistentVolumeClaimRetentionPolicy", "podReplacementPolicy", "seLinuxMount", "suspend")
)  # fmt: skip


def _differences(was: Any, now: Any, older: bool, at: str = "") -> Iterator[str]:
    """Where an object is not what it was. What is there besides, a newer server's defaults, is no difference."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key, value in was.items():
            if value in ({}, None, "") or (key in _OWN and at in ("", ".metadata")):
                continue
            if key not in now and older and key in _NEWER:
                continue
            if key not in now:
                yield f"{at}.{key} is lost ({json.dumps(value)})"
            else:
                yield from _differences(value, now[key], older, f"{at}.{key}")
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from _differences(one, other, older, f"{at}[{number}]")
    elif was != now:
        yield f"{at} was {json.dumps(was)}, is {json.dumps(now)}"


def swap(first: str, second: str, upstream: str, folder: Path) -> Swap:
    """First, second, first again, on one etcd."""
    plane, done = ControlPlane(folder, daemons=()), Swap(upstream)
    try:
        plane.start()
        with done.running(first, plane) as client:
            done.counts["objects"] = len(done.create(client, first))
            before = done.everything(client)
        with done.running(second, plane) as client:
            done.compare(before, done.everything(client), second)
            done.change(client, second, "second")
            done.addresses(client, second)
            before = done.everything(client)
        with done.running(first, plane) as client:
            done.compare(before, done.everything(client), f"{first} again")
            done.change(client, f"{first} again", "third")
            done.addresses(client, f"{first}-again")
            done.delete(client, f"{first} again")
    finally:
        plane.stop()
    return done


def main() -> int:
    """The command line. Returns the exit code: 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=Path, help="upstream's kube-apiserver (default: $JUDGES_HOME/bin's)")
    parser.add_argument("--first", choices=("kprov", "upstream"), help="one of the two orders alone")
    options = parser.parse_args()
    program, why = servers.upstream(options.upstream)
    if program is None:
        parser.error(why)
    wrong = 0
    for first, second in (("upstream", "kprov"), ("kprov", "upstream")):
        if options.first not in (None, first):
            continue
        print(f"{first}, then {second}, then {first} again", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="kprov-swap-") as folder:
            done = swap(first, second, program, Path(folder))
        print(f"{first} -> {second} -> {first}: {done.counts}, wrong: {len(done.wrong)}")
        wrong += len(done.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
