"""Every question of docs/monitoring's dashboard and alerts, asked of a Prometheus that scrapes a living cluster.

    python tests/integration/monitoring/whole_dashboard.py -i inventory.yaml --prometheus prometheus/usr/bin/prometheus

Needs a cluster that is up, and Debian's Prometheus: `apt-get download prometheus`, then `dpkg-deb -x prometheus_*.deb
prometheus`. The control-plane machines are scraped as docs/monitoring/prometheus.yaml says, through an SSH connection
each, while a small load runs on it, which is taken away again; the account stays. It ends with 1 when a target is
not scraped, or when a question has no answer though nothing would have to fail for one.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import yaml

from kprov.provision.cluster.context import api_servers
from kprov.provision.inventory import Host, Inventory, load
from kprov.provision.kubeapi.client import ClusterApi
from kprov.provision.kubeapi.credentials import read_kubeconfig
from kprov.provision.verify import workload

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "monitoring"
SCRAPE_SECONDS = 3
SPACE = f"kprov-dashboard-{secrets.token_hex(3)}"

# What only exists once something failed, or was asked for: by the metric that the question is about.
AFTER_A_FAILURE = {
    "apiserver_admission_webhook_rejection_count": "a webhook refuses",
    "apiserver_admission_webhook_fail_open_count": "a webhook is silent",
    "apiserver_audit_error_total": "the audit log can't be written",
    'apiserver_request_total{code=~"5.."}': "a request fails",
    'apiserver_request_total{job="apiserver",code=~"5.."}': "a request fails",
    'coredns_dns_responses_total{rcode="SERVFAIL"}': "a name can't be resolved",
    "etcd_request_errors_total": "etcd refuses",
    "kubelet_runtime_operations_errors_total": "the container runtime fails",
    "kubelet_volume_stats_available_bytes": "a claim is mounted",
    "kubelet_volume_stats_capacity_bytes": "a claim is mounted",
    "kubelet_volume_stats_used_bytes": "a claim is mounted",
    'apiserver_admission_webhook_rejection_count{error_type="calling_webhook_error"}': "a webhook is silent",
    'container_oom_events_total{container!=""}': "a container takes more memory than it may",
    "kubelet_pod_start_duration_seconds_bucket": "another pod starts",
    "kubeproxy_sync_proxy_rules_nftables_sync_failures_total": "the kernel refuses",
    'prober_probe_total{result!="successful"}': "a probe fails",
}
_WORDS = {"sum", "by", "rate", "increase", "changes", "max", "min", "count", "topk", "time", "vector", "or", "and",
          "on", "le", "histogram_quantile"}  # fmt: skip


def questions() -> Iterator[tuple[str, str]]:
    """Title and expression of every panel and every alert."""
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", f"{4 * SCRAPE_SECONDS}s")
    for group in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]


def selectors(expression: str) -> list[str]:
    """The series that an expression reads, as selectors of their own."""
    bare = re.sub(r"\b(by|on)\s*\([^)]*\)", " ", expression)
    found = re.findall(r"(?<![\w\"~])([a-z_][a-z0-9_]*)(\{[^}]*\})?", re.sub(r"\[[^\]]*\]", "", bare))
    return [name + matchers for name, matchers in found if name not in _WORDS]


def load_on(machine: str) -> dict[str, Any]:
    """A web server on one machine, with limits, which also asks for itself by name all the time."""
    made = workload.daemon_set()
    template = made["spec"]["template"]
    (server,) = template["spec"]["containers"]
    server["resources"]["limits"] = {"cpu": "50m", "memory": "32Mi"}
    server["livenessProbe"] = server["readinessProbe"]
    call = f"while true; do wget -q -T 2 -O - http://{workload.NAME}.{SPACE}/ >/dev/null; sleep 0.2; done"
    caller = {"name": "caller", "image": server["image"], "command": ["/bin/sh", "-c", call]}
    template["spec"] |= {"containers": [server, caller], "nodeSelector": {"kubernetes.io/hostname": machine}}
    return made


@contextlib.contextmanager
def tunnel(host: Host, ports: list[int], folder: Path) -> Iterator[dict[int, int]]:
    """Ports of the machine's loopback, on ours: which is where."""
    local = {port: _free_port() for port in ports}
    known = folder / f"known_hosts.{host.name}"
    known.write_text(f"{host.address} {host.host_key}\n")
    options = [f"UserKnownHostsFile={known}", "BatchMode=yes", "ExitOnForwardFailure=yes"]
    options += [] if host.host_key else ["StrictHostKeyChecking=accept-new"]
    key = ["-i", str(host.private_key_file)] if host.private_key_file else []
    forwards = [word for port, here in local.items() for word in ("-L", f"127.0.0.1:{here}:127.0.0.1:{port}")]
    words = ["ssh", "-F", "none", "-N", *key, *(word for each in options for word in ("-o", each)), *forwards]
    process = subprocess.Popen([*words, "-p", str(host.port), f"{host.user}@{host.address}"])
    try:
        yield local
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def configuration(folder: Path, tunnels: dict[str, dict[int, int]]) -> Path:
    """The documented configuration, for each machine as it is written for one, through the machine's tunnel."""
    jobs = []
    for machine, local in tunnels.items():
        text = (FOLDER / "prometheus.yaml").read_text().replace("NODE", machine)
        text = re.sub(r"127\.0\.0\.1:(\d+)", lambda found, to=local: f"127.0.0.1:{to[int(found[1])]}", text)  # type: ignore[misc]
        for job in yaml.safe_load(text.replace("/etc/kubernetes/pki/ca.crt", str(folder / "ca.crt")))["scrape_configs"]:
            named = {"target_label": "job", "replacement": job["job_name"]}
            jobs.append(
                {**job, "job_name": f"{machine} {job['job_name']}"}
                | {"relabel_configs": [*job["relabel_configs"], named]}
            )
    times = {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": f"{SCRAPE_SECONDS}s"}
    config = {"global": times, "rule_files": [str(FOLDER / "rules.yaml")], "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return folder / "prometheus.yml"


@contextlib.contextmanager
def prometheus(program: str, config: Path) -> Iterator[str]:
    """A Prometheus with that configuration: its address."""
    port = _free_port()
    words = [f"--config.file={config}", f"--storage.tsdb.path={config.parent}/data"]
    words += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    process = subprocess.Popen([program, *words], cwd=config.parent)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def asked(server: str, expression: str) -> list[dict[str, Any]]:
    """What Prometheus answers now. Raises: RuntimeError, where it refuses the question."""
    answer = requests.get(f"{server}/api/v1/query", params={"query": expression}, timeout=30).json()
    if answer["status"] != "success":
        raise RuntimeError(f"{expression}: {answer['error']}")
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def scraped(server: str, seconds: float) -> list[str]:
    """Wait until every target has been scraped often enough for rates. Returns: what is wrong at the end."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            targets = requests.get(f"{server}/api/v1/targets", timeout=5).json()["data"]["activeTargets"]
            wrong = [f"{each['labels']['job']}: {each['lastError'] or each['health']}" for each in targets
                     if each["health"] != "up"]  # fmt: skip
            counts = [float(each["value"][1]) for each in asked(server, "count_over_time(up[10m])")]
            if targets and not wrong and counts and min(counts) >= 8:
                return []
        except requests.RequestException as error:  # it does not listen, or is not ready to answer
            wrong = [str(error)]
        if time.monotonic() > deadline:
            return wrong or ["not often enough"]
        time.sleep(1)


def judged(server: str) -> int:
    """Ask everything, say what has no answer. Returns: how many of them should have one."""
    empty = 0
    every = list(questions())
    for title, expression in every:
        values = [each["value"][1] for each in asked(server, expression)]
        silent = [each for each in selectors(expression) if not asked(server, f"count({each})")]
        excused = [AFTER_A_FAILURE[each] for each in silent if each in AFTER_A_FAILURE]
        bad = [each for each in silent if each not in AFTER_A_FAILURE]
        if not silent and not any(value != "NaN" for value in values):
            excused = [AFTER_A_FAILURE[each] for each in selectors(expression) if each in AFTER_A_FAILURE]
        if not (bad or silent or excused or title.startswith("alert ")) and not any(value != "NaN" for value in values):
            if values:
                print(f"quiet      {title}: its series are there, and nothing was counted in that time")
            else:
                bad = ["nothing"]
        if bad:
            empty += 1
            print(f"NO ANSWER  {title}: {', '.join(bad)}\n           {expression}")
        elif excused and not title.startswith("alert "):
            print(f"later      {title}: once {excused[0]}")
        elif title.startswith("alert ") and values:
            print(f"fires      {title}: {values[:3]}")
    print(f"{len(every)} questions, {empty} without the answer that they should have")
    return empty


def api_of(inventory: Inventory) -> ClusterApi:
    """The administrator's client."""
    return ClusterApi(
        api_servers(inventory), read_kubeconfig(inventory.cluster.state_directory / "admin.kubeconfig"), timeout=10
    )


def token_of(api: ClusterApi) -> str:
    """Prometheus' account as the docs make it, and its token."""
    for made in yaml.safe_load_all((FOLDER / "account.yaml").read_text()):
        group, kind = made["apiVersion"], made["kind"].lower() + "s"
        base = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        space = f"/namespaces/{made['metadata']['namespace']}" if "namespace" in made["metadata"] else ""
        path = f"{base}{space}/{kind}/{made['metadata']['name']}"
        api.request("PATCH", path, body=made, params={"fieldManager": "dashboard", "force": "true"},
                    content_type="application/apply-patch+yaml")  # fmt: skip
    while True:
        secret = api.request("GET", "/api/v1/namespaces/kube-system/secrets/prometheus-token")
        if token := (secret.get("data") or {}).get("token"):
            return base64.b64decode(token).decode()
        time.sleep(0.2)


def main() -> int:
    """Ask, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", "--inventory", type=Path, required=True)
    parser.add_argument("--prometheus", default="prometheus", help="the program")
    parser.add_argument("--seconds", type=float, default=180, help="how long targets may take to be scraped")
    options = parser.parse_args()
    if (program := shutil.which(options.prometheus)) is None:
        parser.error(f"{options.prometheus} is no program")
    inventory = load(options.inventory)
    machines = inventory.group("control_plane")
    api = api_of(inventory)
    ports = sorted({int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", (FOLDER / "prometheus.yaml").read_text())})
    with tempfile.TemporaryDirectory(prefix="kprov-dashboard-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "token").write_text(token_of(api))
        credentials = read_kubeconfig(inventory.cluster.state_directory / "admin.kubeconfig")
        (folder / "ca.crt").write_bytes(credentials.authority)
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
        api.request("POST", "/api/v1/namespaces", body=space)
        stack.callback(api.request, "DELETE", f"/api/v1/namespaces/{SPACE}")
        api.request("POST", f"/apis/apps/v1/namespaces/{SPACE}/daemonsets", body=load_on(machines[0].name))
        api.request("POST", f"/api/v1/namespaces/{SPACE}/services", body=workload.service())
        tunnels = {each.name: stack.enter_context(tunnel(each, ports, folder)) for each in machines}
        config = configuration(folder, tunnels)
        server = stack.enter_context(prometheus(str(Path(program).resolve()), config))
        for problem in (wrong := scraped(server, options.seconds)):
            print(f"NOT SCRAPED {problem}")
        return 1 if wrong or judged(server) else 0


if __name__ == "__main__":
    raise SystemExit(main())
