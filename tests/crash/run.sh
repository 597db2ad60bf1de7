#!/bin/sh
# run.sh: make crash. One BLAS, as in tests/run.sh.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
export OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-Haswell}"
exec bats --timing tests/crash/crash.bats
