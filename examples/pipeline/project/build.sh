# Needs the compiler, which is a long download, and the words, which are a submodule.
set -eu
mkdir -p tools out
if [ -f tools/compiler ]; then
  echo 'the compiler is here already'
else
  echo 'downloading the compiler'
  echo "tr 'a-z' 'A-Z'" > tools/compiler
fi
sh tools/compiler < library/words > out/words
hostname > out/machine
