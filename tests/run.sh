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

while [ $# -gt 0 ] && [ "$1" != -- ]; do
    echo "== $1"
    timeout 600 "$1"
    count "$1" $?
    shift
done
[ $# -gt 0 ] && shift
for flow in "$@"; do
    echo "== $flow"
    timeout 1200 bats "$flow"
    count "$flow" $?
done

[ -z "$failures" ] || echo "failed:$failures"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
