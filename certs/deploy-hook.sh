#!/bin/sh
# Puts a new certificate where xtramail serves it from. For certbot, lego, acme.sh, or by hand; see README.md beside it.
#   certbot renew --deploy-hook /path/deploy-hook.sh
#   lego ... renew --renew-hook /path/deploy-hook.sh          (and run --run-hook the first time)
#   acme.sh --install-cert -d NAME --fullchain-file F --key-file K --reloadcmd "/path/deploy-hook.sh NAME F K"
#   deploy-hook.sh NAME FULLCHAIN KEY
# XTRAMAIL_CERTIFICATES names the folder (default /var/lib/xtramail/certificates), XTRAMAIL_SERVICE the unit to reload
# (default xtramail; empty: none, the server looks at the folder every 30 s by itself).
set -eu

folder=${XTRAMAIL_CERTIFICATES:-/var/lib/xtramail/certificates}
service=${XTRAMAIL_SERVICE-xtramail}

refuse() {
    echo "deploy-hook.sh: $1" >&2
    exit 1
}

if [ $# -eq 3 ]; then
    name=$1 chain=$2 key=$3
elif [ $# -ne 0 ]; then
    refuse "usage: deploy-hook.sh NAME FULLCHAIN KEY, or called by certbot or lego without arguments"
elif [ -n "${RENEWED_LINEAGE:-}" ]; then
    # certbot
    name=$(basename "$RENEWED_LINEAGE") chain=$RENEWED_LINEAGE/fullchain.pem key=$RENEWED_LINEAGE/privkey.pem
elif [ -n "${LEGO_CERT_PATH:-}" ]; then
    # lego; its .crt holds the chain.
    name=${LEGO_CERT_DOMAIN:-$(basename "$LEGO_CERT_PATH" .crt)} chain=$LEGO_CERT_PATH key=$LEGO_CERT_KEY_PATH
elif [ -n "${CERT_FULLCHAIN_PATH:-}" ]; then
    # acme.sh
    name=${Le_Domain:?} chain=$CERT_FULLCHAIN_PATH key=$CERT_KEY_PATH
else
    refuse "neither certbot, lego nor acme.sh called; usage: deploy-hook.sh NAME FULLCHAIN KEY"
fi

# A wildcard's star is no good in a file name.
case $name in
    '*.'*) name=_wildcard.${name#??} ;;
esac
case $name in
    '' | .* | */*) refuse "'$name' is no name for a certificate" ;;
esac

[ -r "$chain" ] || refuse "$chain cannot be read"
[ -r "$key" ] || refuse "$key cannot be read"
if command -v openssl >/dev/null; then
    [ "$(openssl x509 -in "$chain" -noout -pubkey)" = "$(openssl pkey -in "$key" -pubout)" ] ||
        refuse "$chain does not belong to $key"
fi

[ -d "$folder" ] || refuse "$folder is not there; set XTRAMAIL_CERTIFICATES or run: xtramail init DIR"
umask 077
temporary=$(mktemp -d "$folder/.deploy.XXXXXX")
trap 'rm -rf "$temporary"' EXIT
cp "$key" "$temporary/key"
cp "$chain" "$temporary/crt"
chmod 0600 "$temporary/key"
chmod 0644 "$temporary/crt"
if [ "$(id -u)" -eq 0 ]; then
    # The service reads what root installs, so it belongs to whom the folder belongs to.
    chown --reference="$folder" "$temporary/key" "$temporary/crt"
fi
# Each rename is at once. Between the two the pair does not match, and the server goes on with the old one.
mv -f "$temporary/key" "$folder/$name.key"
mv -f "$temporary/crt" "$folder/$name.crt"

if [ -n "$service" ] && command -v systemctl >/dev/null && systemctl is-active --quiet "$service"; then
    systemctl reload "$service"
fi
echo "deploy-hook.sh: $name is served from $folder"
