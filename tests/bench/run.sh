#!/bin/sh
# run.sh BUILD [OPTION...]: our engine and PyTorch in turn (compare.py, which takes
# the options), or ours alone where there is no PyTorch. A BLAS that detects an
# unknown CPU takes its slowest kernels, so one is named unless the site has.
set -eu
build=$1
shift
python=${PYTHON:-/usr/bin/python3}

if "$python" -c 'import torch' 2>/dev/null; then
    exec "$python" tests/bench/compare.py "$build" "$@"
fi
echo "no PyTorch for $python (deploy/install-deps.sh --bench): our figures alone"
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
export OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-Haswell}"
echo "host      $(uname -srm), $(getconf _NPROCESSORS_ONLN) cores"
echo "load      $(cut -d' ' -f1-3 /proc/loadavg)"
echo "cpu       $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "commit    $(git describe --always --dirty 2>/dev/null || echo unknown)"
echo "FMA peak  $("$build/tests/bench/bench_fma") GF/s a core"
exec "$build/tests/bench/bench_nn"
