#!/bin/sh
# quickstart.sh: from a fresh clone to loss curves. Installs what is missing,
# builds, runs a small sweep on all cores of this machine, and shows the results.
#
#   sh deploy/quickstart.sh              --installed: skip the packages and the build
set -eu
cd "$(dirname "$0")/.."

if [ "${1-}" != --installed ]; then
    sh deploy/install-deps.sh
    make -s -j"$(nproc)"
fi
code=0
build/release/bin/coord run deploy/grids/quickstart.toml || code=$?
if ! command -v coord >/dev/null; then
    echo "          after export PATH=\"$PWD/build/release/bin:\$PATH\", or make install" >&2
fi
exit "$code"
