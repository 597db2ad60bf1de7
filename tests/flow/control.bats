#!/usr/bin/env bats
# What people change while a sweep runs: real processes, one coordinator, workers
# over TCP.

load common.bash

has_trial() { pgrep -P "$WORKER" >/dev/null; }
no_trial() { ! pgrep -P "$WORKER" >/dev/null; }
one_runs() { is 1 "SELECT count(*) > 0 FROM job WHERE state = 'running'"; }
none_runs() { is 0 "SELECT count(*) FROM job WHERE state = 'running'"; }
all_done() { is 0 "SELECT count(*) FROM job WHERE state <> 'done'"; }
running_job() { sql "SELECT id FROM job WHERE state = 'running' LIMIT 1"; }

@test "control: a cancelled job is stopped; tried again, it gives the same bytes" {
    write_grid
    COORD_DIR=$DIR/undisturbed coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    COORD_DIR=$DIR/undisturbed results >"$DIR/undisturbed.csv"
    serve --beat 200 --lease 2
    worker one
    coord submit "$DIR/grid.toml"
    wait_for one_runs
    job=$(running_job)
    coord cancel "$job" --reason "the wrong rate"
    [ "$(sql "SELECT state || ': ' || reason FROM job WHERE id = $job")" = \
        "cancelled: the wrong rate" ]
    wait_for grep -q "job=$job attempt=1: stopping" "$DIR/worker-one.log"
    # What needs it is skipped, and is back with it.
    [ "$(sql "SELECT count(DISTINCT d.job) FROM dep d JOIN job j ON j.id = d.job
        WHERE d.needs = $job AND j.state <> 'skipped'")" = 0 ]
    coord cancel all --where "kind = 'probe'"
    wait_for is 0 "SELECT count(*) FROM job WHERE state IN ('ready', 'running', 'waiting')"
    invariants_hold
    run coord --json retry --where "state = 'cancelled'" --reason "the right one after all"
    [ "$status" -eq 0 ]
    [[ $output == *'"changed": '* ]]
    wait_for all_done
    invariants_hold
    results >"$DIR/disturbed.csv"
    cmp "$DIR/undisturbed.csv" "$DIR/disturbed.csv"
    [ "$(sql "SELECT detail FROM event WHERE event = 'cancel' AND job = $job")" = \
        "the wrong rate" ]
    [ "$(sql "SELECT reason FROM control WHERE verb = 'retry'")" = "the right one after all" ]
}

@test "control: a paused sweep hands nothing out, also after a restart, until resumed" {
    write_grid
    serve --beat 200
    worker one
    coord submit "$DIR/grid.toml"
    wait_for one_runs
    coord pause flow --reason "a look at it"
    wait_for none_runs
    started=$(sql "SELECT count(*) FROM attempt")
    run coord status
    [[ $output == *"flow is paused: a look at it"* ]]
    kill -TERM "$SERVE"
    wait "$SERVE"
    BIND=$ENDPOINT serve --beat 200
    wait_for is connected "SELECT state FROM worker"
    coord set all --priority 3 # a turn of the coordinator with the worker's credit
    [ "$(sql "SELECT count(*) FROM attempt")" = "$started" ]
    coord resume flow
    wait_for all_done
    invariants_hold
}

@test "control: max_running holds, from the grid and set" {
    write_grid
    sed 's/^seeds = 4/seeds = 4\nmax_running = 1/' "$DIR/grid.toml" >"$DIR/one.toml"
    serve --beat 200
    worker one --slots 2
    worker two --slots 2
    coord submit "$DIR/one.toml"
    wait_for is 1 "SELECT count(*) > 2 FROM job WHERE state = 'done'"
    # Two at once would be one attempt that began before another had ended.
    overlaps="SELECT count(*) FROM attempt a JOIN attempt b ON a.job <> b.job
        AND a.started_ms < b.started_ms AND coalesce(a.ended_ms, 1e18) > b.started_ms"
    [ "$(sql "$overlaps")" = 0 ]
    coord set flow --max-running 0
    wait_for is 1 "SELECT count(*) > 1 FROM job WHERE state = 'running'"
    wait_for all_done
    invariants_hold
}

@test "control: drain lets a worker finish and leave, stop ends it at once" {
    write_grid
    serve --beat 200 --lease 2
    worker one
    ONE=$WORKER
    coord submit "$DIR/grid.toml"
    wait_for one_runs
    coord worker drain 1 --reason "maintenance"
    wait "$ONE"
    [ "$(sql "SELECT state FROM worker WHERE id = 1")" = left ]
    [ "$(sql "SELECT count(*) FROM attempt WHERE state = 'lost'")" = 0 ]
    worker two
    TWO=$WORKER
    wait_for one_runs
    job=$(running_job)
    coord worker stop "$(hostname)"
    wait "$TWO"
    [ "$(sql "SELECT state || ' ' || cause FROM attempt WHERE job = $job
        ORDER BY attempt LIMIT 1")" = "lost preempted" ]
    worker three
    wait_for all_done
    invariants_hold
    run coord worker drain 1
    [ "$status" -eq 2 ]
    [[ $output == *"no worker '1' is connected"* ]]
}

@test "control: who cancels a sweep hears that another one shares its jobs" {
    write_grid
    serve
    coord submit "$DIR/grid.toml"
    sed 's/name = "flow"/name = "other"/; s/^seeds = 4/seeds = 1/' "$DIR/grid.toml" \
        >"$DIR/other.toml"
    coord submit "$DIR/other.toml"
    run coord cancel other --where "shared = 0"
    [[ $output == *"cancelled 0 jobs"* ]]
    run coord cancel other
    [ "$status" -eq 0 ]
    [[ $output == *"cancelled 2 jobs, 4 needed no change"* ]] # skipped with them
    [[ $output == *"2 of the cancelled jobs are asked for by flow as well"* ]]
}

@test "control: mistakes are named, and no coordinator is exit 3" {
    write_grid
    run coord cancel all
    [ "$status" -eq 2 ]
    serve
    coord submit "$DIR/grid.toml"
    for bad in "cancel 5-1" "cancel" "pause" "pause nosuch" "set all" "set flow --max-running x" \
        "retry nosuch" "cancel all --where colour=3" "pause flow --priority 3"; do
        # shellcheck disable=SC2086 # words
        run coord $bad
        [ "$status" -eq 2 ] || { echo "$bad: $status: $output"; return 1; }
    done
    run coord cancel 1000-2000
    [ "$status" -eq 0 ]
    [[ $output == *"cancelled 0 jobs"* ]]
    kill -TERM "$SERVE"
    wait "$SERVE"
    run coord cancel all
    [ "$status" -eq 3 ]
    [[ $output == *"coord serve"* ]]
}
