#!/usr/bin/env bats
# make crash: the coordinator and the worker die at every place there is, and at
# hundreds of random moments, and nothing is lost, doubled or done twice. Minutes;
# tests/flow/crash.bats is a short form of each.
#
#     CRASH_KILLS=200 CRASH_SEED=1   random moments, and where they come from
#     CRASH_AWAY="0 20 60"           seconds that the coordinator is gone; 600 too

load ../flow/common.bash
load crash.bash

COORDINATOR_POINTS="commit.before commit.after send.before send.after checkpoint.before
    checkpoint.between checkpoint.after artifact.before artifact.after"
WORKER_POINTS="cache.before cache.after send.before send.after"

exhaust() {
    write_small_grid
    undisturbed
    ROUNDS=0 DEATHS=0
    for point in $2; do occurrences "$1" "$point"; done
    echo "# T2 $1: $DEATHS deaths in $ROUNDS sweeps, each $JOBS results, the same bytes" >&3
}

@test "T2 the coordinator dies at every place it passes in a sweep" {
    exhaust coordinator "$COORDINATOR_POINTS"
}

@test "T2 the worker dies at every place it passes in a sweep" {
    exhaust worker "$WORKER_POINTS"
}

@test "T1 SIGKILL at random moments: every job once, no result that was told is lost" {
    local from=$SECONDS
    kill_at_random "${CRASH_KILLS:-200}" "${CRASH_SEED:-1}" 60
    echo "# T1 ${CRASH_KILLS:-200} kills in $((SECONDS - from)) s, $SWEEPS sweeps," \
        "$JOBS jobs, $(wc -l <"$DIR/told") acknowledged results, none lost" >&3
}

@test "T7 the coordinator is away while jobs end: all results come, none is run again" {
    write_slow_grid 4
    undisturbed
    for seconds in ${CRASH_AWAY:-0 20 60}; do
        away killed "$seconds"
        echo "# T7 away for $seconds s: $JOBS results, none run again" >&3
    done
}

@test "T5 the coordinator is stopped for a minute: nobody is given up for it" {
    write_slow_grid 4
    undisturbed
    away stopped 60
    echo "# T5 stopped for 60 s: $JOBS results, none run again" >&3
}
