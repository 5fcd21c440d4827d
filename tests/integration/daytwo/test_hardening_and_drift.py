"""Machines are held against the CIS benchmark; what somebody changed by hand is shown by plan and put right by up."""

from __future__ import annotations

from standing_cluster import StandingCluster

# With the default profile: what only `security_profile: cis` meets.
OF_THE_PROFILE = {
    "1.1.1",
    "1.1.3",
    "1.1.5",
    "1.1.7",
    "1.2.3",
    "1.2.29",
    "1.2.30",
    "4.1.1",
    "4.2.12",
    "4.2.13",
    "4.2.14",
}

CHANGES = {
    "kubelet: Configuration": "echo 'maxPods: 7' >> /var/lib/kubelet/config.yaml",
    "kube-proxy: Runs now and after every boot": "systemctl disable -q --now kube-proxy",
    "kube-proxy: Way to the API": "chmod 0644 /etc/kubernetes/kube-proxy.conf",
    "machine: The machines of the cluster, by name": "sed -i '/ cp1$/d' /etc/hosts",
    "Install packages: deb": "rm /usr/lib/cni/portmap",
}


def failed_rows(cluster: StandingCluster) -> dict[str, str]:
    done = cluster.kprov("verify", "--profile", "cis")
    lines = [line.partition("cis: ")[2] for line in done.output.splitlines() if "FAILED cis: " in line]
    assert done.code == (4 if lines else 0), done.output
    return {line.split()[0]: line for line in lines}


def test_machines_are_held_against_the_cis_benchmark(standing: StandingCluster) -> None:
    standing.fine("up", "--no-verify")  # whatever other tests left
    assert set(failed_rows(standing)) == OF_THE_PROFILE
    standing.run("cp2", "chmod 0644 /etc/kubernetes/admin.conf")
    try:
        failed = failed_rows(standing)
        assert set(failed) == OF_THE_PROFILE | {"1.1.13"}
        assert "cp2: /etc/kubernetes/admin.conf has mode 0644, and 0600 is the most" in failed["1.1.13"]
    finally:
        standing.run("cp2", "chmod 0600 /etc/kubernetes/admin.conf")


def test_what_was_changed_by_hand_is_shown_and_put_right(standing: StandingCluster) -> None:
    standing.fine("up", "--no-verify")
    machine = standing.own.names[-1]
    for command in CHANGES.values():
        standing.run(machine, command)
    shown = standing.fine("plan")
    mended = standing.fine("up", "--no-verify")
    for title in CHANGES:
        assert f"  {machine}: {title}\n" in shown.partition("\ndrift: ")[2], shown
        assert f"  {machine}: {title}\n" in mended.partition("\ndrift: ")[2], mended
    left = "test -e /usr/lib/cni/portmap && systemctl is-enabled kube-proxy && systemctl is-active kube-proxy"
    assert standing.run(machine, left).split() == ["enabled", "active"]
    assert "drift: " not in standing.fine("plan")
