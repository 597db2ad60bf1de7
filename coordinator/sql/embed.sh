#!/bin/sh
# embed.sh NAME FILE...: print the files as one C string constant NAME.
set -eu
name=$1
shift
echo '/* Made by coordinator/sql/embed.sh; do not edit. */'
echo "extern const char $name[];"
echo "const char $name[] ="
cat "$@" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$/\\n"/'
echo '"";'
