#!/usr/bin/env bats
# `coord run` ended from outside, in every way: nothing stays behind, and the next
# run goes on where it was.

load common.bash

# A sixth of the usual work: 4 runs of one epoch, and 8 paths.
write_small_grid() {
    write_grid
    sed -i -e 's/^seeds = .*/seeds = 2/' -e 's/epochs = 3/epochs = 1/' "$DIR/grid.toml"
}

# start_run: coord run in the background, until something runs; its id is in $RUN.
start_run() {
    "$COORD_BIN/coord" run "$DIR/grid.toml" --workers 2 >"$DIR/report" 2>"$DIR/run.log" 3>&- &
    RUN=$!
    PIDS+=("$RUN")
    wait_for is 1 "SELECT count(*) > 0 FROM job WHERE state = 'running'"
    CHILDREN=$(cat "/proc/$RUN/task/$RUN/children")
    [ "$(echo "$CHILDREN" | wc -w)" = 2 ]
}

# child WORD: the one of the two whose command line has that word.
child() {
    local pid
    for pid in $CHILDREN; do
        if tr '\0' '\n' <"/proc/$pid/cmdline" | grep -q "$1"; then
            echo "$pid"
        fi
    done
}

# finish_run: what the exit code was, in $CODE.
finish_run() {
    CODE=0
    wait "$RUN" || CODE=$?
}

nobody_left() {
    local pid
    for pid in $CHILDREN; do
        ! kill -0 "$pid" 2>/dev/null || return 1
    done
}

@test "interrupted: exit 130, nothing stays behind, and the next run goes on" {
    write_small_grid
    start_run
    wait_for is 1 "SELECT count(*) >= 2 FROM job WHERE state = 'done'"
    kill -INT "$RUN"
    finish_run
    [ "$CODE" = 130 ]
    grep -q 'this goes on where it was: coord run .*grid.toml' "$DIR/run.log"
    nobody_left
    [ "$(sql "SELECT count(*) FROM attempt WHERE state = 'running'")" = 0 ]
    [ "$(sql "SELECT count(*) FROM attempt WHERE cause = 'worker-lost'")" = 0 ]
    sql "SELECT job, attempt FROM result" >"$DIR/before"
    [ "$(wc -l <"$DIR/before")" -ge 2 ]

    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    [ -s "$DIR/report" ]
    invariants_hold
    [ "$(sql "SELECT count(*) FROM job WHERE state = 'done'")" = 12 ]
    sql "SELECT job, attempt FROM result" >"$DIR/after"
    [ -z "$(comm -23 <(sort "$DIR/before") <(sort "$DIR/after"))" ]
}

@test "a worker that dies ends the run with what it said last" {
    write_small_grid
    start_run
    kill -KILL "$(child coord-worker)"
    finish_run
    [ "$CODE" = 1 ]
    cat "$DIR/run.log"
    grep -q 'the worker was killed by signal 9' "$DIR/run.log"
    grep -q 'last lines of .*worker.log' "$DIR/run.log"
    nobody_left
}

@test "a coordinator that dies ends the run with what it said last" {
    write_small_grid
    start_run
    kill -KILL "$(child '^serve$')"
    finish_run
    [ "$CODE" = 1 ]
    grep -q 'the coordinator was killed by signal 9' "$DIR/run.log"
    # The worker does not wait for somebody who takes its results.
    [ "$(grep -c 'does not end' "$DIR/run.log")" = 0 ]
    nobody_left
}

@test "a run that is killed takes its processes with it" {
    write_small_grid
    start_run
    kill -KILL "$RUN"
    finish_run
    wait_for nobody_left
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    invariants_hold
}

@test "a run in a directory that is served is refused, and says what to do" {
    write_small_grid
    serve
    run coord run "$DIR/grid.toml"
    [ "$status" -eq 1 ]
    [[ $output == *"pid $SERVE"*"coord submit"* ]]
    kill -0 "$SERVE"
}

@test "a state directory too deep for a socket works all the same" {
    write_small_grid
    COORD_DIR=$DIR/$(printf 'deep%.0s' {1..30})/state
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    invariants_hold
}

@test "a coordinator that was killed does not answer: exit 3 and a sentence" {
    write_small_grid
    serve
    kill -KILL "$SERVE"
    wait "$SERVE" || true
    [ -e "$COORD_DIR/endpoint" ]
    run coord submit "$DIR/grid.toml"
    [ "$status" -eq 3 ]
    [[ $output == *"$ENDPOINT"*"coord serve"* ]]
}

@test "a port that is taken is an error that says so" {
    serve
    COORD_DIR=$DIR/other run coord serve --bind "$ENDPOINT"
    [ "$status" -eq 1 ]
    [[ $output == *"$ENDPOINT"*"in use"* ]]
}

@test "a coordinator that is told to stop leaves with 0, and its database whole" {
    write_small_grid
    serve
    worker one
    coord submit "$DIR/grid.toml"
    wait_for is 1 "SELECT count(*) > 0 FROM job WHERE state = 'running'"
    kill -TERM "$SERVE"
    wait "$SERVE"
    [ ! -e "$COORD_DIR/endpoint" ]
    [ "$(sql 'PRAGMA integrity_check')" = ok ]
    # the worker computes on, and delivers to the next one
    BIND=$ENDPOINT serve
    wait_for is 12 "SELECT count(*) FROM job WHERE state = 'done'"
    [ "$(sql 'SELECT count(*) FROM job WHERE attempt <> 1')" = 0 ]
    invariants_hold
}
