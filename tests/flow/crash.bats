#!/usr/bin/env bats
# Short forms of tests/crash/crash.bats (make crash).

load common.bash
load ../crash/crash.bash

@test "crash: T2 the coordinator dies around COMMITs, messages, checkpoints and renames" {
    write_small_grid
    undisturbed
    for plan in commit.before:4 commit.after:6 send.after:12 artifact.after:3; do
        round coordinator "$plan"
    done
    round worker cache.after:1
}

@test "crash: T1 SIGKILL at random moments" {
    kill_at_random 4 7 4
}

@test "crash: T7 the coordinator is away while jobs end" {
    SLOW_EPOCHS=300 write_slow_grid 2
    undisturbed
    away killed 2
}

@test "crash: T5 the coordinator is stopped for longer than a lease" {
    SLOW_EPOCHS=300 write_slow_grid 2
    undisturbed
    away stopped 4
}

@test "crash: a place that is not there is an error that names those that are" {
    COORD_CRASH=nowhere:1 run coord status
    [ "$status" -eq 2 ]
    [[ $output == *"commit.before"* ]]
}
