#!/bin/sh
set -eu

help() {
    cat <<END
Make the certificates with which scheduler, workers and clients prove to one another that they belong together.

Usage: make-certificates.sh [OPTIONS] CA_FOLDER FOLDER...

CA_FOLDER gets an authority, ca.pem and its key ca-key.pem; one that is there is used and never overwritten. Each FOLDER
(a machine or a person; its last part is the name in the certificate) gets a copy of ca.pem, and cert.pem and key.pem
signed by the authority, good for any side of a connection. Nothing is made when a FOLDER has one of these already.

  --days NUMBER     that new certificates are valid  [default: 825]
  --ca-days NUMBER  that a new authority is valid  [default: 3650]
  --help

  make-certificates.sh authority tls/scheduler tls/alice tls/bob tls/me
  make-certificates.sh --days 30 authority tls/guest

Copy each folder to its machine (scp -p keeps the keys' mode, 600). CA_FOLDER stays where no worker runs: who has
ca-key.pem can let anybody in. A certificate cannot be called back; to shut somebody out make a new authority.
OPENSSL names another program than the one in PATH.
END
}

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 2
}

is_number() {
    case $2 in '' | 0* | *[!0-9]*) fail "$1 is a number of days, not '$2'" ;; esac
}

# refuse_existing FOLDER: what is there stays as it is.
refuse_existing() {
    for file in ca-key.pem ca.pem cert.pem key.pem; do
        [ ! -e "$1/$file" ] || fail "$1/$file is there already and stays as it is: move it away, or give a new folder"
    done
}

# Run openssl; its output is shown when it fails.
quietly() {
    "$openssl" "$@" 2>"$scratch/said" || fail "$openssl $1 failed: $(cat "$scratch/said")"
}

make_key() {
    quietly genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}

make_authority() {
    make_key "$scratch/ca-key.pem"
    quietly req -new -x509 -sha256 -config "$scratch/config" -extensions authority -subj "/CN=akkordeon authority" \
        -key "$scratch/ca-key.pem" -days "$ca_days" -out "$scratch/ca.pem"
    mkdir -p "$authority"
    mv "$scratch/ca-key.pem" "$scratch/ca.pem" "$authority"
    chmod 644 "$authority/ca.pem"
    echo "$authority: a new authority, for $ca_days days; keep ca-key.pem secret"
}

make_member() {
    refuse_existing "$1" # two folders may be one, or the authority's
    name=$(basename "$1")
    # Dask compares no names; a browser does that looks at an encrypted dashboard.
    case $name in *[!0-9.]*) kind=DNS ;; *.*.*.*) kind=IP ;; *) kind=DNS ;; esac
    { cat "$scratch/config" && echo "subjectAltName = $kind:$name"; } >"$scratch/extensions"
    make_key "$scratch/key.pem"
    quietly req -new -sha256 -config "$scratch/config" -subj "/CN=$name" -key "$scratch/key.pem" -out "$scratch/request"
    # A serial number at random: the folder of the authority needs no counter.
    quietly x509 -req -sha256 -in "$scratch/request" -days "$days" \
        -set_serial "0x$("$openssl" rand -hex 16)" -CA "$authority/ca.pem" -CAkey "$authority/ca-key.pem" \
        -extfile "$scratch/extensions" -extensions member -out "$scratch/cert.pem"
    cp "$authority/ca.pem" "$scratch/ca.pem"
    mkdir -p "$1"
    mv "$scratch/key.pem" "$scratch/cert.pem" "$scratch/ca.pem" "$1"
    chmod 644 "$1/cert.pem" "$1/ca.pem"
    echo "$1: ca.pem, cert.pem and key.pem of '$name', for $days days"
}

days=825 ca_days=3650 openssl=${OPENSSL:-openssl}
while [ $# -gt 0 ]; do
    case $1 in
        --days) [ $# -ge 2 ] || fail "$1 needs a number"; days=$2 && shift 2 ;;
        --ca-days) [ $# -ge 2 ] || fail "$1 needs a number"; ca_days=$2 && shift 2 ;;
        -h | --help) help && exit ;;
        --) shift && break ;;
        -*) fail "unknown option '$1'; $0 --help lists them" ;;
        *) break ;;
    esac
done
is_number --days "$days"
is_number --ca-days "$ca_days"
[ $# -ge 2 ] || fail "give the authority's folder and at least one other: make-certificates.sh CA_FOLDER FOLDER..."
authority=$1 && shift
command -v "$openssl" >/dev/null 2>&1 || fail "$openssl not found: install OpenSSL, or name it, OPENSSL=/path/to/it"

# All is looked at before anything is made.
[ ! -e "$authority/ca.pem" ] || [ -e "$authority/ca-key.pem" ] ||
    fail "$authority has ca.pem and no ca-key.pem, so it cannot sign: give the folder of the authority itself"
[ -e "$authority/ca.pem" ] || [ ! -e "$authority/ca-key.pem" ] ||
    fail "$authority has ca-key.pem and no ca.pem: bring ca.pem back, or give a new folder for a new authority"
for folder; do
    case $(basename "$folder") in
        .* | *[!A-Za-z0-9._-]*) fail "$folder: a name is made of letters, digits, '.', '_' and '-'" ;;
    esac
    refuse_existing "$folder"
done

umask 077
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' HUP INT TERM
cat >"$scratch/config" <<'END'
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[member]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
[ -e "$authority/ca.pem" ] || make_authority
for folder; do make_member "$folder"; done
