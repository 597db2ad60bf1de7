#!/usr/bin/env bats
# `coord run`: a grid in, results out, on this machine.

load common.bash

@test "run: every announced row is there, and the curve's ends are the run's own" {
    write_grid
    coord submit --dry-run "$DIR/grid.toml" >"$DIR/announced"
    cat "$DIR/announced"
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    cat "$DIR/report"
    invariants_hold

    line=$(grep -m 1 'curve rows' "$DIR/announced")
    [ "$(sql 'SELECT count(*) FROM runs')" = "$(echo "$line" | grep -oE 'runs [0-9]+' | grep -oE '[0-9]+')" ]
    [ "$(sql 'SELECT count(*) FROM curves')" = "$(echo "$line" | grep -oE 'curve rows [0-9]+' | grep -oE '[0-9]+')" ]
    [ "$(sql 'SELECT count(*) FROM paths')" = "$(echo "$line" | grep -oE 'path rows [0-9]+' | grep -oE '[0-9]+')" ]

    # alpha 0 is the initial state (whole path), alpha 1 the final one (every
    # group): the same double, not nearly.
    ends="FROM curves c JOIN history h ON h.job = c.run_b AND h.split = c.split
          AND h.n = c.n WHERE "
    start="c.grp = 'all' AND c.alpha = 0 AND h.epoch = 0"
    final="c.alpha = 1 AND h.epoch = 3"
    [ "$(sql "SELECT count(*) $ends $start")" = 16 ]
    [ "$(sql "SELECT count(*) $ends $start AND c.loss IS NOT h.loss")" = 0 ]
    [ "$(sql "SELECT count(*) $ends $start AND c.accuracy IS NOT h.accuracy")" = 0 ]
    [ "$(sql "SELECT count(*) $ends $final")" = 96 ]
    [ "$(sql "SELECT count(*) $ends $final AND c.loss IS NOT h.loss")" = 0 ]
    [ "$(sql "SELECT count(*) $ends $final AND c.accuracy IS NOT h.accuracy")" = 0 ]
}

@test "run: again adds nothing; one worker or three give the same bytes" {
    write_grid
    coord run "$DIR/grid.toml" --workers 1 >"$DIR/report"
    results >"$DIR/one.csv"
    [ "$(wc -l <"$DIR/one.csv")" -gt 300 ]

    before=$(sql 'SELECT count(*) FROM attempt')
    run coord run "$DIR/grid.toml" --workers 1
    [ "$status" -eq 0 ]
    [ "$(sql 'SELECT count(*) FROM attempt')" = "$before" ]
    [ "$(sql 'SELECT count(*) FROM job')" = 24 ]
    [ "$(sql 'SELECT added FROM request ORDER BY at_ms DESC LIMIT 1')" = 0 ]

    export COORD_DIR=$DIR/three
    coord run "$DIR/grid.toml" --workers 3 >"$DIR/report"
    results >"$DIR/three.csv"
    cmp "$DIR/one.csv" "$DIR/three.csv"
    invariants_hold
}

@test "run: a data set that is missing fails its jobs with cause data, others go on" {
    write_grid
    cat >>"$DIR/grid.toml" <<'TOML'

[[intervention]]
name = "elsewhere"
role = "data"
set = { "data.dir" = "/nonexistent" }
TOML
    run coord run "$DIR/grid.toml" --workers 2
    [ "$status" -eq 1 ]
    [ "$(sql "SELECT count(*) FROM runs WHERE state = 'failed' AND cause = 'data'")" = 4 ]
    [ "$(sql "SELECT count(*) FROM job WHERE state = 'skipped' AND cause = 'dependency'")" = 8 ]
    [ "$(sql "SELECT count(*) FROM job WHERE state = 'done'")" = 24 ]
    [ "$(sql "SELECT count(*) FROM failures WHERE message LIKE '%/nonexistent%'")" -ge 4 ]
    run coord status
    [[ $output == *"/nonexistent"* ]]
    invariants_hold
}

@test "run: a bad grid is refused with file, line and column, and nothing starts" {
    write_grid
    sed -i 's/momentum = 0.9/momentun = 0.9/' "$DIR/grid.toml"
    run coord run "$DIR/grid.toml"
    [ "$status" -eq 2 ]
    [[ $output == *"grid.toml:8:"*"momentun"*"momentum"* ]]
    [ ! -e "$COORD_DIR/coord.db" ]
}

@test "run: states open as files, logs and rows print" {
    write_grid
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    coord artifact get 1 final -o "$DIR/final.safetensors"
    [ "$(stat -c %s "$DIR/final.safetensors")" = "$(sql "SELECT size FROM checkpoint WHERE job = 1 AND name = 'final'")" ]
    run coord artifact get 1 init -o "$DIR/init.safetensors"
    [ "$status" -ne 0 ]
    [[ $output == *"train.keep"* ]]
    coord logs 1 2>/dev/null | grep -q 'epoch 3/3'
    coord jobs --json | head -c 2 | grep -q '\['
    [ "$(coord --csv jobs | wc -l)" = 25 ]
    coord status --json | grep -q '"sweeps"'
    coord worker list | grep -q "$(hostname)"
    run coord sql "DELETE FROM job"
    [ "$status" -eq 2 ]
    [ "$(sql 'SELECT count(*) FROM runs_flow WHERE "data.labels.random" = 1.0')" = 4 ]
}
