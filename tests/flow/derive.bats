#!/usr/bin/env bats
# States made from others: probe -> derive -> train -> probe; points that do not qualify;
# failures that skip what hangs on them, and its return.

load common.bash

grid() {
    cat >"$DIR/grid.toml" <<'TOML'
[sweep]
name = "derive"
seeds = 2

[base]
data = { name = "spiral", train = 400 }
model = { name = "mlp", widths = [16, 16], norm = "batch" }
optimizer = { name = "adam", lr = 0.05, batch = 50 }
train = { epochs = 3, eval.train = 100 }

[derive.top]
kind = "point"
probe = "path"
alpha = "alpha_max"
where = { loss_max = ">0" }

[derive.never]
kind = "point"
probe = "path"
where = { bump = ">1000" }

[derive.fresh]
kind = "reset"
from = "final"
groups = ["fc2"]

[derive.noisy]
kind = "noise"
from = "derive:fresh"
norm = 0.1

[[intervention]]
name = "derived"
role = "init"
axes = { "init.from" = ["derive:top", "derive:never", "derive:noisy"] }

[[probe]]
name = "path"
kind = "path"
alphas = 11
splits = { train = 100, test = 100 }

[[probe]]
name = "away"
kind = "path"
from = "final"
to = "derive:fresh"
alphas = 3
splits = { train = 100, test = 100 }
TOML
}

@test "derive: a probe places a state, a run starts from it, and is probed" {
    grid
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    invariants_hold
    [ "$(sql "SELECT count(*) FROM derived_states WHERE state = 'done'")" = 6 ]
    # the new path begins with the very loss that the old one had there
    [ "$(sql "SELECT count(*) FROM derived_states d
        JOIN curves c ON c.job = d.probe AND c.alpha = d.alpha AND c.bn = 'interp'
        JOIN dep i ON i.needs = d.job AND i.role = 'init'
        JOIN paths p ON p.run_a = i.job AND p.probe = 'path' AND p.bn = 'interp'
            AND p.split = c.split
        WHERE d.name = 'top' AND p.loss_start = c.loss")" = 4 ]
    # no barrier like that: skipped with the reason, and so is what hangs on it
    [ "$(sql "SELECT count(*) FROM derived_states WHERE name = 'never'
        AND state = 'skipped' AND cause = 'condition'
        AND reason LIKE 'does not qualify: expected bump>1000.0, it is %'")" = 2 ]
    [ "$(sql "SELECT count(*) FROM job WHERE state = 'skipped'")" = 8 ]
    [ "$(sql "SELECT count(*) FROM job WHERE cause IS NOT NULL
        AND cause <> 'condition'")" = 0 ]
    [ "$(sql "SELECT count(*) FROM failures")" = 0 ]
    run coord explain "$(sql "SELECT min(job) FROM derived_states
        WHERE name = 'never'")"
    [[ "$output" == *"it does not qualify: expected bump>1000.0"* ]]
    # again: nothing to do
    run coord submit --dry-run "$DIR/grid.toml"
    [[ "${lines[0]}" == *"derived states 8,"* ]]
}

@test "derive: the state of a derive job is a file that opens" {
    grid
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    coord artifact get "$(sql "SELECT min(job) FROM derived_states
        WHERE name = 'fresh'")" final -o "$DIR/fresh.safetensors"
    grep -q fc2.weight "$DIR/fresh.safetensors"
}

@test "derive: what hangs on a run that fails is skipped with it, to the end of the chain, and comes back" {
    grid
    sed -i "s|data = .*|data = { name = \"fashion-mnist\", train = 100, dir = \"$DIR/data\" }|" "$DIR/grid.toml"
    serve
    worker a
    coord submit "$DIR/grid.toml"
    over="SELECT count(*) FROM job WHERE state IN ('waiting', 'ready', 'running')"
    wait_for is 0 "$over"
    is 2 "SELECT count(*) FROM job WHERE state = 'failed' AND cause = 'data'"
    is 0 "SELECT count(*) FROM job WHERE state NOT IN ('failed', 'skipped')"
    # each says why: train -> probe -> derive -> train -> probe
    is 0 "SELECT count(*) FROM job WHERE state = 'skipped'
        AND (cause <> 'dependency' OR reason NOT LIKE 'needs ''%'' of job %, which %')"
    invariants_hold

    ln -s /usr/share/datasets/fashion-mnist "$DIR/data"
    coord retry --where "state = 'failed'"
    wait_for is 0 "$over"
    is 0 "SELECT count(*) FROM failures"
    is 6 "SELECT count(*) FROM derived_states WHERE state = 'done'"
    # what does not qualify is skipped for that, and only that
    is 8 "SELECT count(*) FROM job WHERE state = 'skipped' AND cause = 'condition'"
    is 8 "SELECT count(*) FROM job WHERE state <> 'done'"
    invariants_hold
}
