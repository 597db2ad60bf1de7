#!/bin/sh
# inventory.sh: tests/README.md names every failure test T1..T30, and only what is there.
# Prints what is wrong.
set -u
cd "$(dirname "$0")/../.."
table=tests/README.md

grep -E '^\| T[0-9]+ \|' "$table" | while IFS='|' read -r _ id _ where words _; do
    id=$(echo "$id" | xargs)
    where=$(echo "$where" | xargs)
    words=$(echo "$words" | sed 's/^ *//; s/ *$//')
    case $where in
    make\ *)
        grep -qE "^${where#make }:" Makefile || echo "$table: $id: no target '$where'"
        file=$(echo "$words" | sed -n 's/^`\([^`]*\)`.*/\1/p')
        [ -z "$file" ] || [ -e "$file" ] || echo "$table: $id: no file '$file'"
        ;;
    *)
        grep -qF -- "$words" "$where" 2>/dev/null ||
            echo "$table: $id: '$words' is not in $where"
        ;;
    esac
done
for n in $(seq 30); do
    grep -qE "^\| T$n \|" "$table" || echo "$table: no T$n"
done
