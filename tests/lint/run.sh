#!/bin/sh
# run.sh: the house rules that a script can check. Each rule prints what breaks
# it as file:line; the last line counts.
set -u
cd "$(dirname "$0")/../.."
passed=0
failed=0

rule() { # rule NAME FINDINGS
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'lint: %s\n%s\n' "$1" "$2"
    fi
}

files() { git ls-files "$@"; }
sources=$(files '*.c' '*.h' '*.cpp')
code=$(echo "$sources" | grep -v '^tests/')

# ---- the dependency rule: who may include whom -------------------------------
includes() { # includes FILES-PATTERN ALLOWED-PREFIXES
    for file in $(echo "$code" | grep -E "^($1)"); do
        grep -nE '^#include "' "$file" | grep -vE "#include \"($2)" |
            sed "s#^#$file:#"
    done
}
rule 'dependency rule: common includes common only' \
    "$(includes 'common/' 'common/')"
rule 'dependency rule: proto includes proto and common only' \
    "$(includes 'proto/' 'proto/|common/')"
rule 'dependency rule: coordinator includes nothing of worker' \
    "$(includes 'coordinator/' 'coordinator/|proto/|common/')"
rule 'dependency rule: worker includes nothing of coordinator' \
    "$(includes 'worker/' 'worker/|proto/|common/')"
rule 'dependency rule: nn includes nn and common only' \
    "$(includes 'worker/nn/' 'worker/nn/|common/')"
rule 'dependency rule: data and ckpt include themselves, nn and common only' \
    "$(includes 'worker/data/' 'worker/(data|nn)/|common/'
       includes 'worker/ckpt/' 'worker/(ckpt|nn)/|common/')"
rule 'dependency rule: eval includes data, nn and common only' \
    "$(includes 'worker/eval\.' 'worker/eval|worker/(data|nn)/|common/')"
rule 'dependency rule: endpoint and start include ckpt, nn, fields and common only' \
    "$(includes 'worker/(endpoint|start)\.' \
        'worker/(ckpt|nn)/|worker/(endpoint|start)\.|proto/fields|common/')"
rule 'dependency rule: probe and train include what is below them' \
    "$(includes 'worker/probe/|worker/train' \
        'worker/(probe|data|ckpt|nn)/|worker/(endpoint|eval|savefile|sink|start|train|wish)|proto/(fields|limits|msg)|common/')"

# ---- one owner per library ----------------------------------------------------
owner() { # owner LIBRARY HEADERS FILES
    rule "$1 belongs to $3" \
        "$(grep -nE "#include [<\"]($2)" $code /dev/null | grep -vE "^($3):")"
}
owner msgpack 'msgpack' 'proto/msg\.c'
owner czmq 'czmq|zmq' 'proto/wire[a-z_]*\.[ch]'
owner sqlite3 'sqlite3' 'coordinator/store[a-z_]*\.[ch]'
owner cblas 'cblas|openblas' 'worker/nn/blas\.c'
owner toml++ 'toml\+\+|toml\.hpp' 'common/toml\.cpp'
owner jansson 'jansson' 'common/json\.c'
owner libsodium 'sodium' 'common/hash\.c'
owner Random123 'Random123' 'common/rng\.c'
owner zlib 'zlib' 'worker/data/gzfile\.c'

# ---- numbers, output, exits ----------------------------------------------------
rule 'no fast-math: it deletes NaN checks' \
    "$(grep -nE -e '-Ofast|-ffast-math|-ffinite-math' Makefile $(files '*.sh') |
        grep -v '^tests/lint/run.sh')"
# Mains, verbs, loops and the child's entry may print and exit; nobody else.
library=$(echo "$code" | grep -vE \
    '(^|/)(main|cmd_[a-z_]+|cli[a-z_]*|serve|daemon|trial|log|cpucheck|plan_print)\.c$')
rule 'libraries do not print or exit' \
    "$(grep -nE '(^|[^a-z_])(printf|puts|perror|exit|abort) *\(' $library /dev/null |
        grep -vE ':[0-9]+: *(/\*|\*)')"
rule 'no sleep in tests: wait for an event with a deadline' \
    "$(grep -nE '(^|[^a-z_])(sleep|usleep|nanosleep) *\(' \
        $(echo "$sources" | grep '^tests/') /dev/null)"
rule 'no unfinished marks' \
    "$(grep -nE 'TODO|FIXME|XXX' $sources $(files '*.sh' '*.sql' '*.toml' Makefile) |
        grep -v '^tests/lint/run.sh' | grep -v 'XXXXXX')"

# ---- shape -----------------------------------------------------------------------
rule 'lines of at most 90 columns, no tabs, no trailing blanks' \
    "$(awk 'length($0) > 90 { print FILENAME ":" FNR ": " length($0) " columns" }
        /\t/ { print FILENAME ":" FNR ": tab" }
        /[ ]$/ { print FILENAME ":" FNR ": trailing blank" }' $sources)"
rule 'files of at most 600 lines' \
    "$(wc -l $sources | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }')"
rule 'functions of at most 70 lines' \
    "$(awk -f tests/lint/functions.awk $(echo "$code" | grep '\.c$'))"
rule 'headers have a guard COORD_..._H' \
    "$(for header in $(echo "$sources" | grep '\.h$'); do
        head -n 1 "$header" | grep -q '^#ifndef COORD_.*_H$' || echo "$header:1"
    done)"
rule 'clang takes every source (make fuzz)' "$(make -s syntax 2>&1)"
rule 'the failure tests that tests/README.md names are there' \
    "$(sh tests/lint/inventory.sh)"
# But for one that takes 400,000 jobs to see: seconds, and half a gigabyte.
rule 'every message about a grid is in a test, word by word' \
    "$(awk -f tests/lint/messages.awk tests=1 $(files 'tests/unit/*.[ch]') tests= \
        $(files 'coordinator/grid*.c' 'coordinator/plan*.c' coordinator/expand.c \
            'common/opt*.c' 'common/spec*.c' common/alphas.c 'common/arch*.c') |
        grep -v 'the grid has more than %d jobs')"
rule 'shell scripts parse' \
    "$(for script in $(files '*.sh'); do sh -n "$script" 2>&1; done)"
rule 'clang-format (make format)' \
    "$(clang-format --dry-run $sources 2>&1 | grep -E 'warning:|not found' |
        cut -d: -f1 | sort | uniq -c)"

echo "lint: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
