#!/usr/bin/env bats
# What happens when processes are killed or stopped: one coordinator and workers
# over TCP, each a process of its own.

load common.bash

# What the sweep gives when nothing happens.
undisturbed() {
    COORD_DIR=$DIR/undisturbed coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    COORD_DIR=$DIR/undisturbed results >"$DIR/undisturbed.csv"
}

done_jobs() { sql "SELECT count(*) FROM job WHERE state = 'done'"; }
some_done() { [ "$(done_jobs)" -ge "$1" ]; }
all_done() { [ "$(done_jobs)" = 24 ]; }
is_training() {
    [ "$(sql "SELECT count(*) FROM attempt t JOIN worker w ON w.id = t.worker JOIN job j ON
        j.id = t.job WHERE w.pid = $1 AND t.state = 'running' AND j.kind = 'train'")" -ge 1 ]
}

@test "T3 T4 workers killed and stopped in mid-training: one result per job, the same bytes" {
    write_grid
    undisturbed
    serve --lease 2 --beat 500
    worker killed
    KILLED=$WORKER
    worker stopped
    STOPPED=$WORKER
    worker steady
    coord submit "$DIR/grid.toml"

    wait_for is_training "$KILLED"
    kill -KILL "$KILLED"
    wait_for is_training "$STOPPED"
    kill -STOP "$STOPPED"
    # Longer than its lease: until the coordinator has given up on it.
    wait_for is lost "SELECT state FROM worker WHERE pid = $STOPPED"
    kill -CONT "$STOPPED"
    wait_for all_done

    invariants_hold
    results >"$DIR/disturbed.csv"
    cmp "$DIR/undisturbed.csv" "$DIR/disturbed.csv"
    [ "$(sql "SELECT count(*) > 0 FROM attempt t JOIN worker w ON w.id = t.worker
        WHERE w.pid = $KILLED AND t.state = 'lost' AND t.cause = 'worker-lost'")" = 1 ]
    [ "$(sql "SELECT count(*) > 0 FROM attempt t JOIN worker w ON w.id = t.worker
        WHERE w.pid = $STOPPED AND t.state IN ('lost', 'superseded')
        AND t.cause = 'worker-lost'")" = 1 ]
    [ "$(sql "SELECT count(*) FROM job WHERE attempt > 1")" -ge 2 ]
}

@test "the coordinator killed in mid-sweep: nothing finished is lost or run again" {
    write_grid
    undisturbed
    serve --lease 5 --beat 500
    worker one
    worker two
    coord submit "$DIR/grid.toml"

    for round in 1 2 3; do
        wait_for some_done $((round * 5))
        kill -KILL "$SERVE"
        wait "$SERVE" || true
        sql "SELECT job, attempt FROM result ORDER BY job" >"$DIR/before"
        BIND=$ENDPOINT serve --lease 5 --beat 500
        sql "SELECT r.job, r.attempt FROM result r JOIN job j ON j.id = r.job
            WHERE j.state = 'done' ORDER BY r.job" >"$DIR/after"
        # Every result of before is there, from the same attempt.
        [ -z "$(comm -23 <(sort "$DIR/before") <(sort "$DIR/after"))" ]
    done
    wait_for all_done
    invariants_hold
    # The workers kept their attempts: nothing was run twice.
    [ "$(sql "SELECT count(*) FROM job WHERE attempt <> 1")" = 0 ]
    results >"$DIR/disturbed.csv"
    cmp "$DIR/undisturbed.csv" "$DIR/disturbed.csv"
}

@test "submit --wait says when the coordinator is gone, and goes on when it is back" {
    write_grid
    serve --lease 5 --beat 500
    worker one
    "$COORD_BIN/coord" submit "$DIR/grid.toml" --wait 2>"$DIR/submit.log" 3>&- &
    WAITING=$!
    PIDS+=("$WAITING")
    wait_for some_done 1
    kill -KILL "$SERVE"
    wait_for grep -q "the coordinator is gone" "$DIR/submit.log"
    BIND=$ENDPOINT serve --lease 5 --beat 500
    wait_for grep -q "the coordinator is back" "$DIR/submit.log"
    wait "$WAITING"
    all_done
}

@test "T19 SIGTERM at a worker: what it has is delivered or handed back, and it leaves with 0" {
    write_grid
    serve
    worker leaving
    LEAVING=$WORKER
    coord submit "$DIR/grid.toml"
    wait_for is_training "$LEAVING"
    kill -TERM "$LEAVING"
    wait "$LEAVING"
    [ "$(sql "SELECT state FROM worker WHERE pid = $LEAVING")" = left ]
    [ "$(sql "SELECT count(*) FROM attempt WHERE cause <> 'preempted'")" = 0 ]
    [ "$(sql "SELECT count(*) FROM job WHERE state = 'running'")" = 0 ]
    worker next
    wait_for all_done
    invariants_hold
}

@test "T10 junk on the port: others notice nothing" {
    write_grid
    serve
    port=${ENDPOINT##*:}
    head -c 100000 /dev/urandom >"$DIR/junk"
    for i in 1 2 3 4 5; do
        (cat "$DIR/junk" >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || true
        (printf 'GET / HTTP/1.1\r\n\r\n' >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || true
        exec {half}<>"/dev/tcp/127.0.0.1/$port" # half-open: says nothing, stays
    done
    worker one
    worker two
    coord submit "$DIR/grid.toml" --wait
    all_done
    kill -0 "$SERVE"
    invariants_hold
}

@test "T14 a second coordinator on the same directory is refused" {
    serve
    run coord serve --bind 'tcp://127.0.0.1:*'
    [ "$status" -ne 0 ]
    [[ $output == *"$SERVE"* ]]
}

@test "no coordinator: exit 3 and a sentence, not a hang" {
    write_grid
    run coord submit "$DIR/grid.toml"
    [ "$status" -eq 3 ]
    [[ $output == *"coord serve"* ]]
}
