#!/usr/bin/env bats
# Runs that a rule stops early, and that go on; a grid that is made to run again.

load common.bash

# Runs of two seconds or so: they report a few times a second.
case $COORD_BIN in
*/release/*) EPOCHS=2000 ;;
*) EPOCHS=400 ;;
esac

# grid [LINE]: four runs of which two learn nothing, and their paths. LINE goes to [sweep].
grid() {
    cat >"$DIR/grid.toml" <<TOML
[sweep]
name = "early"
$1

[base]
data = { name = "spiral", train = 2000 }
model = { name = "mlp", widths = [8] }
optimizer = { lr = 0.5, batch = 20 }
train = { epochs = $EPOCHS, eval.train = 100 }

[axes]
"optimizer.lr" = [0.5, 0.2, 1e-9, 2e-9]

[[probe]]
name = "path"
kind = "path"
alphas = 3
splits = { train = 100, test = 100 }
TOML
}

# All that results say but what differs from one execution to the next: times, attempts.
results() {
    coord --csv --dir "$1" sql "SELECT job, name, hash, step FROM checkpoint ORDER BY 1, 2"
    coord --csv --dir "$1" sql "SELECT job, split, epoch, sum, sum_sq, correct, lr
        FROM evaluation ORDER BY 1, 2, 3"
    coord --csv --dir "$1" sql "SELECT job, alpha, split, sum, sum_sq FROM point
        ORDER BY 1, 2, 3"
}

@test "early: worse runs are stopped, and go on to the same bits where they are asked for" {
    grid 'stop = { rule = "asha", metric = "train_loss", grace = 5, factor = 2 }'
    coord run "$DIR/grid.toml" --workers 4 2>"$DIR/run.log"
    is 0 "SELECT count(*) FROM job WHERE state NOT IN ('done', 'stopped', 'skipped')"
    # The best of them is never stopped; one that learns nothing is, or all but it were.
    [ "$(sql "SELECT count(*) FROM job WHERE state = 'stopped'")" -ge 1 ]
    is 0 "SELECT count(*) FROM job WHERE (state IN ('stopped', 'skipped')) <> (cause IS 'condition')"
    is 0 "SELECT count(*) FROM failures"
    job=$(sql "SELECT min(id) FROM job WHERE state = 'stopped'")
    [[ "$(coord explain "$job")" == *"stopped it early: its train_loss at epoch"*"has it go on"* ]]
    [ "$(sql "SELECT count(*) FROM history WHERE job = $job")" -gt 3 ]
    is 0 "SELECT count(*) FROM result WHERE job = $job"
    [[ "$(coord status)" == *stopped* ]]
    coord db check
    # who tries all again means what failed
    serve
    run coord retry all
    [ "$output" = "trying again: 0 jobs" ]
    run coord retry all --where "state = 'stopped'"
    [[ "$output" == "trying again: "[1-9]* ]]
    kill -TERM "$SERVE"
    wait "$SERVE"

    # without the rule all of it is wanted
    grid ""
    coord run "$DIR/grid.toml" --workers 2 2>"$DIR/run.log"
    is 8 "SELECT count(*) FROM job WHERE state = 'done'"
    coord db check
    coord --dir "$DIR/calm" run "$DIR/grid.toml" --workers 2 2>"$DIR/run.log"
    cmp <(results "$COORD_DIR") <(results "$DIR/calm")

    # --force makes all of it anew, to the same bits
    results "$COORD_DIR" >"$DIR/before"
    serve
    worker a --slots 2
    run coord submit "$DIR/grid.toml" --force --wait
    [ "$status" = 0 ]
    [ "${lines[0]}" = "early: 8 jobs, 0 new, 8 run again" ]
    cmp "$DIR/before" <(results "$COORD_DIR")
    is 8 "SELECT count(*) FROM event WHERE event = 'rerun'"
    [ "$(coord --json submit "$DIR/grid.toml" | tr -d ' ')" = '{"sweep":"early","id":1,"jobs":8,"added":0,"rerun":0}' ]
    run coord retry 1 --force --reason "a look at it"
    [ "$status" = 0 ]
    [ "$output" = "trying again: 1 job" ]
    wait_for is 8 "SELECT count(*) FROM job WHERE state = 'done'"
    cmp "$DIR/before" <(results "$COORD_DIR")
    run coord cancel 1 --force
    [ "$status" = 2 ]
    coord db check
}
