#!/bin/sh
# run.sh BUILD TEST...: run every test, programs and bats files, print each runner's own
# output, and close with one line that counts.
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

# many N DIR TEST...: run each test, N at once, and then say what each said, in their
# order.
many() {
    at_once=$1 logs=$2
    shift 2
    mkdir -p "$logs"
    printf '%s\n' "$@" | xargs -P "$at_once" -I '{}' sh -c '
        case $2 in *.bats) run="timeout 1200 bats" ;; *) run="timeout 900" ;; esac
        log=$1/$(basename "$2") start=$(date +%s)
        $run "$2" >"$log.log" 2>&1
        echo $? >"$log.rc"
        echo $(($(date +%s) - start)) >"$log.s"' sh "$logs" '{}'
    for test in "$@"; do
        echo "== $test, $(cat "$logs/$(basename "$test").s") s"
        cat "$logs/$(basename "$test").log"
        count "$test" "$(cat "$logs/$(basename "$test").rc")"
    done
}

# A program has one thread; a flow mostly waits. All in one row, so that the longest of
# the programs does not keep a core idle before the flows begin. Each has a folder of its
# own.
cores=$(getconf _NPROCESSORS_ONLN)
[ $# -eq 0 ] || many $((cores + (cores + 1) / 2)) "$build/said" "$@"

[ -z "$failures" ] || echo "failed:$failures"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
