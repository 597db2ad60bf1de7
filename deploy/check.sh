#!/bin/sh
# check.sh: install what is missing, build, and run every test: the release
# build, and the same tests under AddressSanitizer and UBSan.
#
#   sh deploy/check.sh          everything
#   sh deploy/check.sh --quick  the release build only
set -eu
cd "$(dirname "$0")/.."

sh deploy/install-deps.sh --tests
jobs=$(nproc)
make -s lint
make -s -j"$jobs" all tests
make -s check
if [ "${1-}" != --quick ]; then
    make -s -j"$jobs" VARIANT=asan all tests
    make -s check-asan
fi
