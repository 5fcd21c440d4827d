"""Looking after etcd: how its members stand, snapshots of it, and the way back from one."""
