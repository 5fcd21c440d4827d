"""Every kind of workload, and what the kubelet promises about containers, volumes and probes."""

from __future__ import annotations

import base64
import re

from acceptance_cluster import AcceptanceCluster, Kubectl, eventually
from changed_volumes import READ
from manifests import WEB_SERVER, container, pod, web_container, workload


def test_jobs(kube: Kubectl) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [container("echo done; exit 0")]}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sum"}}
    kube.apply({**job, "spec": {"completions": 4, "parallelism": 2, "template": template}})
    kube("wait", "--for=condition=Complete", "job/sum", "--timeout=150s")
    assert kube.json("get", "job", "sum")["status"]["succeeded"] == 4
    failing = {"spec": {"restartPolicy": "Never", "containers": [container("exit 1")]}}
    kube.apply({**job, "metadata": {"name": "no"}, "spec": {"backoffLimit": 0, "template": failing}})
    kube("wait", "--for=condition=Failed", "job/no", "--timeout=150s")


def test_cron_jobs(kube: Kubectl) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [container("echo tick; exit 0")]}}
    kube.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "tick"},
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}},
        }
    )
    kube("create", "job", "tick-now", "--from=cronjob/tick")
    kube("wait", "--for=condition=Complete", "job/tick-now", "--timeout=150s")
    assert kube.json("get", "job", "tick-now")["metadata"]["ownerReferences"][0]["kind"] == "CronJob"


def test_daemon_sets(kube: Kubectl) -> None:
    everywhere = {"tolerations": [{"operator": "Exists"}]}
    kube.apply(workload("DaemonSet", "agent", web_container(), pod_spec=everywhere))
    kube("rollout", "status", "daemonset/agent", "--timeout=150s")
    assert {each["spec"]["nodeName"] for each in kube.pods("app=agent")} == {"cp1", "cp2", "cp3", "w1", "w2"}


def test_a_stateful_set_and_the_names_of_its_pods(kube: Kubectl) -> None:
    kube.apply(
        workload("StatefulSet", "db", web_container(), replicas=2, serviceName="db"),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "db"},
            "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 80}]},
        },
    )
    kube("rollout", "status", "statefulset/db", "--timeout=150s")
    addresses = {each["metadata"]["name"]: each["status"]["podIP"] for each in kube.pods("app=db")}
    assert set(addresses) == {"db-0", "db-1"}
    domain = f"db.{kube.namespace}.svc.cluster.local"
    for name in (f"db-1.{domain}", "db-1.db"):
        assert addresses["db-1"] in kube("exec", "db-0", "--", "ping", "-c", "1", "-W", "3", name)
    eventually(
        "both addresses under the headless name",
        lambda: set(addresses.values()) <= set(kube("exec", "db-0", "--", "nslookup", domain).split()),
    )
    first = kube.json("get", "pod", "db-0")["metadata"]["uid"]
    kube("delete", "pod", "db-0", "--timeout=150s")

    def came_back() -> bool:
        again = kube.json("get", "pod", "db-0")
        conditions = {each["type"]: each["status"] for each in again["status"].get("conditions", [])}
        return again["metadata"]["uid"] != first and conditions.get("Ready") == "True"

    eventually("another db-0", came_back)


def test_init_containers_and_a_shared_volume(kube: Kubectl) -> None:
    mount = [{"name": "shared", "mountPath": "/shared"}]
    first = {**container("echo from init > /shared/file", volumeMounts=mount), "name": "first"}
    main = container("cat /shared/file; sleep 1000 & wait", volumeMounts=mount)
    kube.apply(pod("two", main, initContainers=[first], volumes=[{"name": "shared", "emptyDir": {}}]))
    kube("wait", "--for=condition=Ready", "pod/two", "--timeout=150s")
    eventually("what the first one wrote", lambda: "from init" in kube("logs", "two", "-c", "main"))


def test_a_container_that_takes_too_much_memory(kube: Kubectl) -> None:
    greedy = container("x=a; while :; do x=$x$x; done", resources={"limits": {"memory": "16Mi"}})
    kube.apply(pod("greedy", greedy, restartPolicy="Never"))
    eventually("its end", lambda: kube.phase("greedy") == "Failed")
    (status,) = kube.json("get", "pod", "greedy")["status"]["containerStatuses"]
    assert status["state"]["terminated"]["reason"] == "OOMKilled"
    assert "OOMKilled" in kube("get", "pod", "greedy")


def test_liveness_restarts_and_back_off(kube: Kubectl) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    dying = container("touch /tmp/alive; sleep 2; rm /tmp/alive; sleep 1000 & wait", livenessProbe=probe)
    kube.apply(pod("dying", dying), pod("crashing", container("exit 1")))
    eventually(
        "a restart",
        lambda: kube.json("get", "pod", "dying")["status"]["containerStatuses"][0]["restartCount"] >= 1,
    )
    eventually("the reason", lambda: "Liveness probe failed" in kube("describe", "pod", "dying"))
    eventually("back-off", lambda: "CrashLoopBackOff" in kube("get", "pod", "crashing"))


def test_a_pod_speaks_to_the_api_with_its_own_token(cluster: AcceptanceCluster, kube: Kubectl) -> None:
    kube("create", "rolebinding", "viewer", "--clusterrole=view", f"--serviceaccount={kube.namespace}:default")
    kube.apply(pod("client", container()))
    kube("wait", "--for=condition=Ready", "pod/client", "--timeout=150s")
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    read = {name: kube("exec", "client", "--", "cat", f"{folder}/{name}") for name in ("token", "namespace", "ca.crt")}
    assert read["namespace"] == kube.namespace
    status = kube.json("get", "pod", "client")
    # From the pod's own network, by the machine's Python: busybox speaks no TLS that OpenSSL 3 accepts.
    script = (
        "import ssl, urllib.error, urllib.request as u\n"
        f"context = ssl.create_default_context(cadata={read['ca.crt']!r})\n"
        f"for path in ('{kube.namespace}/pods', 'kube-system/secrets'):\n"
        "    asked = u.Request('https://10.96.0.1/api/v1/namespaces/' + path)\n"
        f"    asked.add_header('Authorization', 'Bearer {read['token']}')\n"
        "    try: print(u.urlopen(asked, context=context, timeout=10).read().decode().strip())\n"
        "    except urllib.error.HTTPError as error: print(error.code)\n"
    )
    packed = base64.b64encode(script.encode()).decode()
    command = (
        "for each in $(ls /var/run/netns); do"
        f" ip netns exec $each ip -o addr 2>/dev/null | grep -q 'inet {status['status']['podIP']}/' &&"
        f" ip netns exec $each python3 -c \"import base64;exec(base64.b64decode('{packed}'))\"; done; true"
    )

    def asked() -> bool:
        pods, refusal = cluster.lab.run(status["spec"]["nodeName"], command).splitlines()
        assert refusal == "403"
        return '"client"' in pods and '"PodList"' in pods

    eventually("the role that was bound just now counts at every server", asked)


def test_host_ports_and_host_network(cluster: AcceptanceCluster, kube: Kubectl) -> None:
    kube.apply(
        pod("port", container(WEB_SERVER, ports=[{"containerPort": 80, "hostPort": 18080}]), nodeName="w1"),
        pod("net", container(WEB_SERVER.replace("-p 80", "-p 18081")), nodeName="w2", hostNetwork=True),
    )
    kube("wait", "--for=condition=Ready", "pod/port", "pod/net", "--timeout=150s")
    assert kube.json("get", "pod", "net")["status"]["podIP"] == cluster.address("w2")
    for machine, port in (("w1", 18080), ("w2", 18081)):
        fetch = f"import urllib.request as u; print(u.urlopen('http://{cluster.address(machine)}:{port}/').read())"
        eventually("an answer", lambda f=fetch: "kprov" in cluster.lab.run("cp1", f'python3 -c "{f}"', check=False))


def test_what_pods_know_about_themselves(kube: Kubectl) -> None:
    names = {"NAME": "metadata.name", "NODE": "spec.nodeName", "ADDRESS": "status.podIP"}
    environment = [{"name": k, "valueFrom": {"fieldRef": {"fieldPath": v}}} for k, v in names.items()]
    kube.apply(pod("self", container(env=environment)))
    kube("wait", "--for=condition=Ready", "pod/self", "--timeout=150s")
    name, node, address = kube("exec", "self", "--", "sh", "-c", "echo $NAME $NODE $ADDRESS").split()
    assert name == "self" and re.match(r"w\d", node) and address.startswith("10.244.")


def test_config_map_and_secret_volumes_follow_changes(changed_volumes: Kubectl) -> None:
    eventually("the new values", lambda: changed_volumes(*READ).split() == ["red", "blue", "two"])
    changed_volumes("delete", "pod", "reader", "--wait=false")  # other tests take machines away
