#!/bin/sh
# Written by kprov: takes a snapshot of etcd from this machine's member, and lets the oldest go.
set -eu
umask 077
folder="/var/lib/kprov/etcd-snapshots"
kept=28
name=golden-etcd-$(date -u +%Y%m%dT%H%M%SZ).db

install -d -m 0700 "$folder"
# On a disk that has no room for it, nothing of it stays: etcd itself may need what is left.
clear_away() { rm -f "$folder"/.taking.db "$folder"/.taking.db.part; }
trap clear_away EXIT
trap 'exit 1' HUP INT TERM
clear_away
said=$(ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
    --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key \
    --dial-timeout=5s --command-timeout=600s snapshot save "$folder/.taking.db" 2>&1) ||
    { echo "etcd gives no snapshot: is this member healthy (kprov etcd status), and has $folder room? It said:" \
        "$(printf '%s\n' "$said" | tail -n 1)" >&2; exit 1; }
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
# Checksums without their snapshot: of one that was cut off right before it had its name.
ls -1 "$folder" | sed -nE 's/^(golden-etcd-[0-9]{8}T[0-9]{6}Z\.db)\.sha256$/\1/p' |
    while read -r lone; do [ -e "$folder/$lone" ] || rm -f "$folder/$lone.sha256"; done
