#!/bin/sh
# Written by kprov: ends with 1, and says which, when a certificate of this machine ends within so many days.
days=30
soon=0
for file in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt /var/lib/kubelet/pki/kubelet-*-current.pem; do
    [ -e "$file" ] || continue
    if ! openssl x509 -in "$file" -noout -checkend $((days * 86400)) >/dev/null 2>&1; then
        soon=1
        # <4>: a warning, for the journal
        echo "<4>$file ends within $days days: $(openssl x509 -in "$file" -noout -enddate 2>&1). Renew it: kprov certs renew"
    fi
done
exit $soon
