"""Where objects live: etcd, and a cache of it that answers reads and watches."""
