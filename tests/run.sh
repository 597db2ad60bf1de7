#!/bin/sh
# run.sh BUILD TEST... -- FLOW...: run every test program and every bats file,
# print each runner's own output, and close with one line that counts.
set -u
build=$1
shift
passed=0
failed=0
failures=

# One job has one thread; a BLAS that detects an unknown CPU takes its slowest
# kernels, so the tests name one unless the site has.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
export OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-Haswell}"
# ThreadSanitizer sees no order in libzmq, which is not built with it.
export TSAN_OPTIONS="${TSAN_OPTIONS:-ignore_noninstrumented_modules=1}"
export COORD_BIN="$PWD/$build/bin" COORD_SOURCE="$PWD"

count() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        failures="$failures $1"
    fi
}

# many N DIR COMMAND TEST...: run each test as COMMAND TEST, N at once, and then say
# what each said, in their order.
many() {
    at_once=$1 logs=$2 command=$3
    shift 3
    mkdir -p "$logs"
    printf '%s\n' "$@" | xargs -P "$at_once" -I '{}' sh -c \
        'log=$1/$(basename "$3"); $2 "$3" >"$log.log" 2>&1; echo $? >"$log.rc"' \
        sh "$logs" "$command" '{}'
    for test in "$@"; do
        echo "== $test"
        cat "$logs/$(basename "$test").log"
        count "$test" "$(cat "$logs/$(basename "$test").rc")"
    done
}

programs=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    programs="$programs $1"
    shift
done
[ $# -gt 0 ] && shift
# A program has one thread; a flow mostly waits. Each has a folder of its own.
cores=$(getconf _NPROCESSORS_ONLN)
# shellcheck disable=SC2086
[ -z "$programs" ] || many "$cores" "$build/said" "timeout 600" $programs
[ $# -eq 0 ] || many $((2 * cores)) "$build/said" "timeout 1200 bats" "$@"

[ -z "$failures" ] || echo "failed:$failures"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
