#!/usr/bin/env bats
# Runs that are interrupted in every way go on from where they last saved themselves,
# and give the bytes of runs that nobody disturbed.

load common.bash

# Two runs of some seconds, that keep states on the way, and the path between the ends
# of each. One slot runs them one after another.
write_long_grid() {
    cat >"$DIR/grid.toml" <<TOML
[sweep]
name = "long"
seeds = 1

[base]
data = { name = "fashion-mnist", train = $((TRAIN * 2 / 3)), augment = ["flip"] }
model = { name = "lenet5" }
optimizer = { lr = 0.02, momentum = 0.9, batch = 50 }
train = { epochs = 10, eval = { train = $EVAL, test = $EVAL }, keep = ["final", "best", "epoch:1", "step:3"] }

[[intervention]]
name = "adam"
role = "optimizer"
set = { "optimizer.name" = "adam", "optimizer.lr" = 0.001, "optimizer.momentum" = 0.0 }

[[probe]]
name = "path"
kind = "path"
alphas = 3
splits = { train = $EVAL, test = $EVAL }
TOML
}

# The step that the job in hand would go on from; 0: none.
saved_at() { sql "SELECT coalesce(max(step), 0) FROM resume"; }

# wait_for_progress: until the run has saved something new.
wait_for_progress() { wait_for is_saved_beyond "$(saved_at)"; }

all_done() { is 4 "SELECT count(*) FROM job WHERE state = 'done'"; }

resumed() { sql "SELECT count(*) FROM event WHERE event = 'start' AND detail LIKE 'goes on from step %'"; }

same_as_undisturbed() {
    invariants_hold
    results >"$DIR/disturbed.csv"
    COORD_DIR=$DIR/undisturbed coord run "$DIR/grid.toml" --workers 1 >"$DIR/report"
    COORD_DIR=$DIR/undisturbed results >"$DIR/undisturbed.csv"
    cmp "$DIR/undisturbed.csv" "$DIR/disturbed.csv"
    [ "$(sql "SELECT count(*) FROM resume")" = 0 ]
}

# Files that no run names: what was saved and not needed any more is gone.
left_over() {
    local files kept
    files=$(find "$COORD_DIR/artifacts" -type f | wc -l)
    kept=$(sql "SELECT count(DISTINCT hash) FROM checkpoint WHERE stored")
    echo $((files - kept))
}

@test "resume: a run whose trial, worker and coordinator are killed goes on, to the same bytes" {
    write_long_grid
    serve --lease 2 --beat 300
    worker one --checkpoint 0.1
    coord submit "$DIR/grid.toml"

    kill_in_turn 0.1
    # And both, the run being at another place meanwhile.
    kill -KILL "$WORKER" "$SERVE"
    wait "$WORKER" "$SERVE" || true
    BIND=$ENDPOINT serve --lease 2 --beat 300
    worker three --checkpoint 0.1

    wait_for all_done
    [ "$(resumed)" -ge 3 ]
    coord logs 1 | grep -q 'the run goes on from step' ||
        coord logs 2 | grep -q 'the run goes on from step'
    same_as_undisturbed
    # Each kill -9 may have left one that was on its way.
    [ "$(left_over)" -le 5 ]
}

@test "resume: SIGTERM at a worker saves its run, and another one goes on" {
    write_long_grid
    serve
    # It would never save itself of its own accord.
    worker one --checkpoint 0
    coord submit "$DIR/grid.toml"
    for name in two three; do
        wait_for is 1 "SELECT count(*) > 0 FROM attempt t JOIN worker w ON w.id = t.worker
            JOIN job j ON j.id = t.job
            WHERE w.pid = $WORKER AND t.state = 'running' AND j.kind = 'train'"
        wait_for grep -q 'connected to' "$DIR"/worker-*.log
        kill -TERM "$WORKER"
        wait "$WORKER"
        [ "$(sql "SELECT state FROM worker WHERE pid = $WORKER")" = left ]
        [ "$(sql "SELECT count(*) FROM resume")" -ge 1 ]
        worker "$name" --checkpoint 0
    done
    wait_for all_done
    # Handed back, not failed: that costs no retries.
    [ "$(sql "SELECT count(*) FROM attempt WHERE cause NOT IN ('preempted')")" = 0 ]
    [ "$(sql "SELECT count(*) FROM attempt WHERE cause = 'preempted'")" -ge 2 ]
    [ "$(resumed)" -ge 2 ]
    same_as_undisturbed
    [ "$(left_over)" = 0 ]
}
