# shellcheck shell=sh
# Shared by scheduler.sh and worker.sh.
here=${here:?is set to the folder of common.sh by who sources it}

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 2
}

# needs_value COUNT OPTION: an option stands before its value.
needs_value() {
    [ "$1" -ge 2 ] || fail "$2 needs a value; $0 --help lists the options"
}

is_loopback() {
    case $1 in
        localhost | 127.* | ::1 | '[::1]') return 0 ;;
        *) return 1 ;;
    esac
}

# Sets `dask` to the program: DASK, else that of .venv beside this folder, else the one in PATH.
find_dask() {
    venv=$(cd "$here/.." && pwd)/.venv
    if [ -n "${DASK:-}" ]; then
        dask=$DASK
    elif [ -x "$venv/bin/dask" ]; then
        dask=$venv/bin/dask
    else
        dask=dask
    fi
    command -v "$dask" >/dev/null 2>&1 || fail "$dask not found: install the package \
(python3 -m venv $venv && $venv/bin/pip install ${venv%/.venv}) or name another program, DASK=/path/to/bin/dask"
}

# check_tls FOLDER: it has the three files, and this user may read them.
check_tls() {
    for file in ca.pem cert.pem key.pem; do
        [ -e "$1/$file" ] || fail "$1/$file is missing: $here/make-certificates.sh CA_FOLDER $1 makes it"
        [ -r "$1/$file" ] || fail "$1/$file is not readable by user $(id -un): make it theirs by chown"
    done
}

# Whatever speaks Dask's protocol to an open port can run any code, as this user.
warn_open() {
    printf '%s: no --tls: whoever reaches %s can run code as user %s\n' "${0##*/}" "$1" "$(id -un)" >&2
}

# Dask reads the file beside this one, unless DASK_CONFIG names another.
use_config() {
    export DASK_CONFIG="${DASK_CONFIG:-$here/dask.yaml}"
    [ -r "$DASK_CONFIG" ] || fail "DASK_CONFIG=$DASK_CONFIG is not readable: name a configuration of Dask"
}
