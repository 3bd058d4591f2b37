#!/bin/sh
# PID 1 of an instance: an OpenSSH server.
# The plugin puts /etc/ssh/ssh_host_ed25519_key and /etc/ssh/authorized_keys into the container before it starts. By hand,
# AUTHORIZED_KEY in the environment does for the second, and a host key is made.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

host_key=/etc/ssh/ssh_host_ed25519_key
[ -s "$host_key" ] || ssh-keygen -q -t ed25519 -N '' -f "$host_key"
if [ -n "${AUTHORIZED_KEY:-}" ]; then
  printf '%s\n' "$AUTHORIZED_KEY" > /etc/ssh/authorized_keys
fi
mkdir -p /run/sshd /home/runner
chown 1000:1000 /home/runner

exec /usr/sbin/sshd -D -e
