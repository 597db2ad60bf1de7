#!/bin/sh
# run.sh FUZZER...: run each libFuzzer program for FUZZ_SECONDS from its seeds
# (tests/fuzz/seeds/NAME for fuzz_NAME, when there are any) and a corpus that is
# thrown away. Beside the program are left its log and each input that broke it.
set -u
seconds=${FUZZ_SECONDS:-20}
here=$(dirname "$0")
passed=0
failed=0
failures=

corpus=$(mktemp -d "${TMPDIR:-/tmp}/coord-fuzz.XXXXXX") || exit 1
trap 'rm -rf "$corpus"' EXIT
trap 'exit 130' HUP INT TERM

for fuzzer in "$@"; do
    name=$(basename "$fuzzer")
    seeds=$here/seeds/${name#fuzz_}
    [ -d "$seeds" ] || seeds=
    mkdir "$corpus/$name"
    echo "== $fuzzer"
    # An input that takes 10 s or 2 GiB is a bug as well.
    if "$fuzzer" -max_total_time="$seconds" -max_len=65536 -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$fuzzer-" "$corpus/$name" ${seeds:+"$seeds"} \
        >"$fuzzer.log" 2>&1; then
        grep -a number_of_executed_units "$fuzzer.log"
        passed=$((passed + 1))
    else
        tail -n 60 "$fuzzer.log"
        failed=$((failed + 1))
        failures="$failures $name"
    fi
done

[ -z "$failures" ] || echo "failed:$failures"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
