#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/common.sh
. "$here/common.sh"

help() {
    cat <<END
Run Dask's scheduler with the settings that networks need ($here/dask.yaml).

Usage: scheduler.sh [OPTIONS] [-- OPTIONS OF dask scheduler]

  --tls FOLDER       speak TLS only, with FOLDER's ca.pem, cert.pem and key.pem; see make-certificates.sh
  --host HOST        where to listen  [default: 127.0.0.1; with --tls: every interface]
  --port PORT        0: any that is free  [default: 8786]
  --dashboard WHERE  HOST:PORT of the dashboard, which is plain HTTP; 'no': none  [default: 127.0.0.1:8787]
  --help

The environment supplies options that are not given: AKKORDEON_TLS, AKKORDEON_HOST, AKKORDEON_PORT, AKKORDEON_DASHBOARD;
DASK names the program, DASK_CONFIG another configuration.

Begin with:
  scheduler.sh                          on this machine alone; then worker.sh tcp://127.0.0.1:8786 --name alice
  scheduler.sh --tls tls/scheduler      for other machines; then worker.sh tls://THIS-HOST:8786 --tls tls/alice
  scheduler.sh --host 10.0.0.1          for other machines of a network where you trust everybody
From elsewhere the dashboard is reached by: ssh -L 8787:127.0.0.1:8787 THIS-HOST
END
}

tls=${AKKORDEON_TLS:-} host=${AKKORDEON_HOST:-} port=${AKKORDEON_PORT:-8786}
dashboard=${AKKORDEON_DASHBOARD:-127.0.0.1:8787}
while [ $# -gt 0 ]; do
    case $1 in
        --tls) needs_value $# "$1" && tls=$2 && shift 2 ;;
        --host) needs_value $# "$1" && host=$2 && shift 2 ;;
        --port) needs_value $# "$1" && port=$2 && shift 2 ;;
        --dashboard) needs_value $# "$1" && dashboard=$2 && shift 2 ;;
        -h | --help) help && exit ;;
        --) shift && break ;;
        *) fail "unknown argument '$1'; $0 --help lists the options" ;;
    esac
done
case $port in '' | *[!0-9]*) fail "the port is a number, not '$port'" ;; esac

find_dask
use_config
if [ -n "$tls" ]; then
    check_tls "$tls"
    export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=true
    set -- --protocol tls --tls-ca-file "$tls/ca.pem" --tls-cert "$tls/cert.pem" --tls-key "$tls/key.pem" "$@"
else
    host=${host:-127.0.0.1}
    is_loopback "$host" || warn_open "$host:$port"
fi
if [ "$dashboard" = no ]; then set -- --no-dashboard "$@"; else set -- --dashboard-address "$dashboard" "$@"; fi
if [ -n "$host" ]; then set -- --host "$host" "$@"; fi
exec "$dask" scheduler --port "$port" "$@"
