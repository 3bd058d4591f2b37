#!/bin/sh
# runc for a machine that withholds CAP_SYS_RESOURCE from its root: an Engine asks all capabilities for what is
# privileged, and the kernel refuses them all then.
file='' previous=''
for word; do
  case $previous in
    --bundle | -b) file=$word/config.json ;;
    --process | -p) file=$word ;;
  esac
  previous=$word
done
[ -z "$file" ] || sed -i 's/"CAP_SYS_RESOURCE",//g' "$file"
exec runc "$@"
