#!/usr/bin/env bats
# A sweep while processes die at random: the short form of `make chaos`.

load common.bash

@test "T8 workers and coordinator killed at random: the same bytes" {
    SEED=${SEED:-$RANDOM} CHAOS_WORKERS=2 /usr/bin/python3 \
        "$COORD_SOURCE/tests/chaos/chaos.py" "$COORD_BIN/.." "$DIR/chaos" --short
}
