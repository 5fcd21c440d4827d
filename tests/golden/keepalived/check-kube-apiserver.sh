#!/bin/sh
# Written by kprov: succeeds while the API server of this machine is ready to serve.
printf 'GET /readyz HTTP/1.0\r\n\r\n' |
    timeout 2 setpriv --reuid=nobody --regid=nogroup --clear-groups openssl s_client -quiet -connect 127.0.0.1:6443 \
        -CAfile /etc/kubernetes/pki/ca.crt -verify_ip 127.0.0.1 -verify_return_error 2>/dev/null |
    head -n 1 | grep -q ' 200 '
