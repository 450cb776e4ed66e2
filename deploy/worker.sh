#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/common.sh
. "$here/common.sh"

help() {
    cat <<END
Run a worker of Dask for gates and sentinels, with the settings that networks need ($here/dask.yaml).

Usage: worker.sh SCHEDULER [OPTIONS] [-- OPTIONS OF dask worker]

  SCHEDULER          tcp://HOST:PORT, tls://HOST:PORT or HOST:PORT
  --name NAME        by which a network requests it, Gate(..., workers="NAME"); one worker each  [default: this host's]
  --tls FOLDER       speak TLS only, with FOLDER's ca.pem, cert.pem and key.pem; see make-certificates.sh
  --host HOST        under which scheduler and other workers reach it  [default: what leads to the scheduler]
  --nthreads NUMBER  of threads that compute for its gates, and of ordinary tasks at once  [default: the cores]
  --memory LIMIT     8GB, 0.5 (of the machine's) or 0 (none): the worker is killed above 95 % of it, and with it
                     its gates  [default: 0.8]
  --scratch FOLDER   for temporary files  [default: the system's]
  --dashboard WHERE  HOST:PORT of its pages and /metrics, plain HTTP; 'no': none  [default: 127.0.0.1:0, a free port]
  --help

The environment supplies options that are not given: AKKORDEON_SCHEDULER, AKKORDEON_NAME, AKKORDEON_TLS, AKKORDEON_HOST,
AKKORDEON_NTHREADS, AKKORDEON_MEMORY, AKKORDEON_SCRATCH, AKKORDEON_DASHBOARD; DASK names the program, DASK_CONFIG
another configuration.

Begin with:
  worker.sh tcp://127.0.0.1:8786 --name alice                    on the scheduler's machine
  worker.sh tls://scheduler:8786 --name alice --tls tls/alice    on another machine
Behind a firewall, fixed ports: worker.sh SCHEDULER --name alice -- --worker-port 9000 --nanny-port 9001
END
}

scheduler=${AKKORDEON_SCHEDULER:-} name=${AKKORDEON_NAME:-} tls=${AKKORDEON_TLS:-} host=${AKKORDEON_HOST:-}
nthreads=${AKKORDEON_NTHREADS:-} memory=${AKKORDEON_MEMORY:-0.8} scratch=${AKKORDEON_SCRATCH:-}
dashboard=${AKKORDEON_DASHBOARD:-127.0.0.1:0}
while [ $# -gt 0 ]; do
    case $1 in
        --name) needs_value $# "$1" && name=$2 && shift 2 ;;
        --tls) needs_value $# "$1" && tls=$2 && shift 2 ;;
        --host) needs_value $# "$1" && host=$2 && shift 2 ;;
        --nthreads) needs_value $# "$1" && nthreads=$2 && shift 2 ;;
        --memory) needs_value $# "$1" && memory=$2 && shift 2 ;;
        --scratch) needs_value $# "$1" && scratch=$2 && shift 2 ;;
        --dashboard) needs_value $# "$1" && dashboard=$2 && shift 2 ;;
        -h | --help) help && exit ;;
        --) shift && break ;;
        -*) fail "unknown option '$1'; $0 --help lists them" ;;
        *) scheduler=$1 && shift ;;
    esac
done

protocol=tcp
[ -z "$tls" ] || protocol=tls
case $scheduler in
    '') fail "which scheduler? worker.sh $protocol://HOST:8786, or AKKORDEON_SCHEDULER=$protocol://HOST:8786" ;;
    "$protocol"://*) ;;
    tls://*) fail "$scheduler speaks TLS: --tls FOLDER with ca.pem, cert.pem and key.pem is missing" ;;
    tcp://*) fail "$scheduler is not encrypted: with --tls write tls://${scheduler#tcp://}" ;;
    *://*) fail "$scheduler: a scheduler's address begins with tcp:// or tls://" ;;
    *) scheduler=$protocol://$scheduler ;;
esac

find_dask
use_config
if [ -n "$tls" ]; then
    check_tls "$tls"
    export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=true
    set -- --tls-ca-file "$tls/ca.pem" --tls-cert "$tls/cert.pem" --tls-key "$tls/key.pem" "$@"
else
    address=${scheduler#tcp://}
    if [ -z "$host" ] && is_loopback "${address%:*}"; then host=127.0.0.1; fi
    is_loopback "$host" || warn_open "the ports of this worker"
fi
if [ "$dashboard" = no ]; then set -- --no-dashboard "$@"; else set -- --dashboard-address "$dashboard" "$@"; fi
if [ -n "$host" ]; then set -- --host "$host" "$@"; fi
if [ -n "$nthreads" ]; then set -- --nthreads "$nthreads" "$@"; fi
if [ -n "$scratch" ]; then set -- --local-directory "$scratch" "$@"; fi
exec "$dask" worker "$scheduler" --protocol "$protocol" --name "${name:-$(uname -n)}" \
    --memory-limit "$memory" "$@"
