"""Machines for trying kprov without hardware: systemd containers with their own sshd, address, disk and cgroup."""
