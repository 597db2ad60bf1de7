#!/bin/sh
# run.sh BUILD BENCH...: run every benchmark under stated conditions. One job has
# one thread; a BLAS that detects an unknown CPU takes its slowest kernels, so one
# is named unless the site has.
set -eu
build=$1
shift

export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
export OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-Haswell}"
export COORD_BIN="$PWD/$build/bin" COORD_SOURCE="$PWD"

echo "date      $(date -u +%Y-%m-%dT%H:%M:%SZ)"
echo "host      $(uname -srm), $(getconf _NPROCESSORS_ONLN) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "cpu       $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "commit    $(git describe --always --dirty 2>/dev/null || echo unknown)"
echo "openblas  OPENBLAS_CORETYPE=$OPENBLAS_CORETYPE threads $OPENBLAS_NUM_THREADS"
for bench in "$@"; do
    echo "== $bench"
    "$bench"
done
