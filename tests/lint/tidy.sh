#!/bin/sh
# tidy.sh FLAG...: clang-tidy and cppcheck over every source; slower than `make
# lint`, so a target of its own (make tidy).
set -u
cd "$(dirname "$0")/../.."
passed=0
failed=0

for file in $(git ls-files '*.c' | grep -v '^tests/'); do
    if clang-tidy --quiet "$file" -- "$@" 2>/dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
if cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -I. -D_GNU_SOURCE \
    --enable=warning,performance,portability \
    --suppress=missingIncludeSystem --suppress=internalAstError common proto coordinator worker; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
fi
echo "tidy: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
