# Written by kprov: lets root use etcdctl without flags.
if [ "$(id -u)" = 0 ]; then
    export ETCDCTL_API=3
    export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
    export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
    export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/healthcheck-client.crt
    export ETCDCTL_KEY=/etc/kubernetes/pki/etcd/healthcheck-client.key
fi
