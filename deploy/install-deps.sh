#!/bin/sh
# install-deps.sh: install the Debian packages that coord needs. Idempotent: it
# asks for nothing that is there already, so it needs no network the second time.
#
#   sh deploy/install-deps.sh          to build and to run
#   sh deploy/install-deps.sh --tests  also what the tests, lint and fuzzing need
#   sh deploy/install-deps.sh --bench  also the benchmarks' peers
set -eu

# dataset-fashion-mnist: 70,000 real images, the quickstart's and the tests' data.
build="gcc g++ make pkg-config libzmq3-dev libczmq-dev libsqlite3-dev
       libopenblas-dev libmsgpack-dev libtomlplusplus-dev libjansson-dev
       libsodium-dev zlib1g-dev librandom123-dev dataset-fashion-mnist"
tests="libcmocka-dev bats clang clang-format clang-tidy cppcheck
       libclang-rt-14-dev git"
bench="python3-torch python3-numpy python3-distributed beanstalkd"

packages=$build
for option in "$@"; do
    case $option in
    --tests) packages="$packages $tests" ;;
    --bench) packages="$packages $bench" ;;
    *)
        echo "install-deps.sh: unknown option '$option' (--tests, --bench)" >&2
        exit 2
        ;;
    esac
done

missing=
for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case $status in
    ii*) ;;
    *) missing="$missing $package" ;;
    esac
done
if [ -z "$missing" ]; then
    echo "install-deps.sh: all packages are there"
    exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-deps.sh: missing packages; as root: apt-get install $missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "install-deps.sh: installing$missing"
$as_root apt-get update -q
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends $missing
