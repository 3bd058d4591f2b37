#!/bin/sh
# As the official image's: makes an authority and its certificates below $DOCKER_TLS_CERTDIR, those for clients in
# `client`, and starts dockerd on port 2376 with them.
set -eu

sign() { # directory, subject, purpose, more lines of the extensions
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1/key.pem" -out "$1/csr.pem" -subj "/CN=$2"
  printf 'extendedKeyUsage = %s\n%s\n' "$3" "${4:-}" >"$1/extensions"
  openssl x509 -req -in "$1/csr.pem" -CA "$ca/cert.pem" -CAkey "$ca/key.pem" -days 2 -extfile "$1/extensions" -out "$1/cert.pem"
  cp "$ca/cert.pem" "$1/ca.pem"
}

ca=$DOCKER_TLS_CERTDIR/ca server=$DOCKER_TLS_CERTDIR/server client=$DOCKER_TLS_CERTDIR/client
mkdir -p "$ca" "$server" "$client"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$ca/key.pem" -out "$ca/cert.pem" -days 2 -subj '/CN=Docker-in-Docker'
sign "$server" docker serverAuth "subjectAltName = DNS:docker,DNS:$(hostname),DNS:localhost,IP:127.0.0.1"
sign "$client" client clientAuth

# No maintainer script has chosen one.
for kind in nft legacy; do
  if "iptables-$kind" -nL >/dev/null 2>&1; then
    for name in iptables iptables-save iptables-restore; do
      ln -sf "$(command -v "iptables-$kind${name#iptables}")" "/usr/local/sbin/$name"
    done
    break
  fi
done

rm -f /var/run/docker.pid
exec dockerd --host=unix:///var/run/docker.sock --host=tcp://0.0.0.0:2376 \
  --tlsverify --tlscacert "$server/ca.pem" --tlscert "$server/cert.pem" --tlskey "$server/key.pem"
