#!/usr/bin/env bash
# Makes the instance image without pulling anything: from Debian packages that are unpacked, not installed (no maintainer scripts),
# and `docker import`. For Debian and Ubuntu hosts, as root or not; a few seconds, about 40 MB. Elsewhere build ../image/Dockerfile.
#
#   TAG=name      name of the image (default: runner-core-sshd)
#   EXTRA="…"     more packages, for example "git ca-certificates curl"
#   DOCKER=…      the docker command (default: docker)
set -euo pipefail

tag=${TAG:-runner-core-sshd}
docker=${DOCKER:-docker}
image_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../image" && pwd)

fail() {
  echo "mk-sshd-image: $*" >&2
  exit 1
}

for tool in apt-get apt-cache dpkg-deb tar "$docker"; do
  command -v "$tool" >/dev/null || fail "needs $tool, which is not installed"
done

work=$(mktemp -d)
# Unpacked directories may be read-only, which matters to everybody but root.
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
mkdir "$work/packages" "$work/root"

# --- which packages -------------------------------------------------------------------------------------------------------

wanted="openssh-server openssh-sftp-server bash busybox-static ${EXTRA:-}"
for package in $wanted; do
  apt-cache show "$package" >/dev/null 2>&1 || fail "apt knows no package $package; has 'apt-get update' been run?"
done

# What only installing needs, or busybox stands in for.
left_out='adduser|base-files|cdebconf.*|coreutils|dbus.*|debconf|debianutils|dpkg|gawk|gcc-[0-9]+-base|init-system-helpers|libdb5.3.*|libdebconf.*'
left_out+='|libdebian.*|libgcc-s1|lib.*-dev|liblocale.*|libncurses.*|libnewt.*|libpam-modules.*|libpam-runtime|libperl.*|libproc2-0|libslang.*'
left_out+='|libsystemd-shared|libtext.*|login.*|lsb-base|mawk|original-awk|passwd|perl.*|procps|runit-helper|sensible-utils|systemd.*'
left_out+='|sysvinit-utils|tar|ucf|usr-is-merged|usrmerge|util-linux.*'

# shellcheck disable=SC2086 # one word for each package
closure=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances $wanted)
packages=$(grep -E '^[a-z0-9]' <<<"$closure" | sort -u | grep -vxE "$left_out")

# --- unpack ---------------------------------------------------------------------------------------------------------------

# shellcheck disable=SC2086
(cd "$work/packages" && apt-get download -q -o APT::Sandbox::User= $packages) >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  fail 'apt-get download failed'
}

cd "$work/root"
# Packages bring either /bin or /usr/bin; both lead to the same place.
mkdir -p usr/bin usr/sbin usr/lib usr/lib64
ln -s usr/bin bin
ln -s usr/sbin sbin
ln -s usr/lib lib
ln -s usr/lib64 lib64
for package in "$work"/packages/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner
done
rm -rf usr/share/{doc,man,locale,lintian,bug} usr/lib/systemd etc/init.d etc/ssh/ssh_host_*

# --- what maintainer scripts would have made -------------------------------------------------------------------------------

mkdir -p dev proc sys tmp run/sshd root home/runner etc/ssh usr/local/bin usr/local/sbin
chmod 1777 tmp
cat >etc/passwd <<'EOF'
root:x:0:0:root:/root:/bin/bash
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
runner:x:1000:1000::/home/runner:/bin/bash
nobody:x:65534:65534::/:/usr/sbin/nologin
EOF
printf 'root:x:0:\nrunner:x:1000:\nnogroup:x:65534:\n' >etc/group
# "*": no password, but not locked; sshd lets nobody in whose account is locked ("!").
printf '%s:*:19000:0:99999:7:::\n' root sshd runner >etc/shadow
chmod 600 etc/shadow

[ -e bin/sh ] || ln -s bash bin/sh
for applet in $(bin/busybox --list); do
  [ -e "bin/$applet" ] || [ -e "sbin/$applet" ] || ln -s /bin/busybox "bin/$applet"
done

# The bundle of the ca-certificates package is made by its scripts; this machine's has its own additions too.
if [ -d usr/share/ca-certificates ] && [ -e /etc/ssl/certs/ca-certificates.crt ]; then
  mkdir -p etc/ssl/certs
  cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
fi

install -m 644 "$image_dir/sshd_config" etc/ssh/sshd_config
install -m 755 "$image_dir/entrypoint.sh" usr/local/sbin/entrypoint

# --- import ---------------------------------------------------------------------------------------------------------------

tar -c --numeric-owner --owner=0 --group=0 . | "$docker" import \
  --change 'ENTRYPOINT ["/bin/sh", "/usr/local/sbin/entrypoint"]' \
  --change 'EXPOSE 22' \
  --change 'LABEL runner-core.sshd=1' \
  - "$tag" >/dev/null || fail "docker import failed; is the daemon running, and may you use it?"
echo "mk-sshd-image: made $tag"
