#!/bin/sh
# Written by kprov: takes a snapshot of etcd from this machine's member, and lets the oldest go.
set -eu
umask 077
folder="/var/lib/kprov/etcd-snapshots"
kept=28
name=golden-etcd-$(date -u +%Y%m%dT%H%M%SZ).db

install -d -m 0700 "$folder"
rm -f "$folder"/.taking.db "$folder"/.taking.db.part
ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
    --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key \
    --dial-timeout=5s --command-timeout=600s snapshot save "$folder/.taking.db" >/dev/null 2>&1 ||
    { echo "etcd gives no snapshot: is this member healthy? (kprov etcd status)" >&2; exit 1; }
tool=$(command -v etcdutl || command -v etcdctl)
ETCDCTL_API=3 "$tool" snapshot status "$folder/.taking.db" --write-out=json 2>/dev/null
sum=$(sha256sum < "$folder/.taking.db")
# The checksum first: a snapshot that has its name has its checksum, too.
printf '%s  %s\n' "${sum%% *}" "$name" > "$folder/$name.sha256"
mv "$folder/.taking.db" "$folder/$name"
sync -f "$folder"

# Their names sort by age. What is not named as this cluster's snapshots are is nobody's to remove.
ls -1 "$folder" | grep -E '^golden-etcd-[0-9]{8}T[0-9]{6}Z\.db$' | sort -r | tail -n "+$((kept + 1))" |
    while read -r old; do rm -f "$folder/$old" "$folder/$old.sha256"; done
