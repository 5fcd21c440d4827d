#!/bin/sh
# Written by kprov: fails while this machine is to leave 192.0.2.9 to others: its API server is not ready, and
# another machine's is. Where none says in time that it is, as when all machines are too busy, the address stays where it
# is: nowhere it would serve anybody. A machine that is cut off from all others lets go of it.
ready() {
    case $(printf 'GET /readyz HTTP/1.0\r\n\r\n' |
        timeout 2 setpriv --reuid=nobody --regid=nogroup --clear-groups openssl s_client -quiet -connect "$1:6443" \
            -CAfile /etc/kubernetes/pki/ca.crt -verify_ip "$1" -verify_return_error 2>/dev/null) in
    "HTTP/1."?" 200 "*) return 0 ;;
    *) return 1 ;;
    esac
}
any() { # of the other machines, asked at the same time, for which a command succeeds
    asked=
    for other in $others; do
        "$@" "$other" &
        asked="$asked $!"
    done
    for each in $asked; do
        wait "$each" && return 0
    done
    return 1
}
reached() { # by its kubelet's port: an API server that is too busy may have no room for one more connection
    timeout 2 bash -c ": </dev/tcp/$1/10250" 2>/dev/null
}
others='192.0.2.12 192.0.2.13'

ready 127.0.0.1 && exit 0
[ -n "$others" ] || exit 0
any reached &
looking=$!
any ready && exit 1
wait $looking
