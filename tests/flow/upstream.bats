#!/usr/bin/env bats
# Runs that start from other runs: what they take, and what is skipped with them.

load common.bash

grid() {
    cat >"$DIR/grid.toml" <<'TOML'
[sweep]
name = "upstream"
seeds = 2

[base]
data = { name = "spiral", train = 200 }
model = { name = "mlp", widths = [8, 8] }
optimizer = { lr = 0.1, batch = 50 }
train = { epochs = 2, eval.train = 100, keep = ["init", "final"] }

[run.up]
set = { "data.labels" = { random = 1.0 }, "train.keep" = ["final", "epoch:1"] }

[[intervention]]
name = "warm"
role = "init"
set = { "init.from" = "run:up" }

[[intervention]]
name = "middle"
role = "init"
set = { "init.from" = "run:up:epoch:1" }

[[intervention]]
name = "reset"
role = "init"
set = { "init.from" = "run:up", "init.reset" = ["fc2"] }

[[probe]]
name = "path"
kind = "path"
alphas = 3
splits = { train = 100, test = 100 }
TOML
}

# tensor FILE NAME: its bytes in hex.
tensor() {
    local size range
    size=$(($(od -An -tu8 -N8 "$1")))
    range=$(tail -c +9 "$1" | head -c "$size" | grep -o "\"$2\":{[^}]*}" |
        grep -o '\[[0-9]*,[0-9]*\]}' | tr -d '[]}')
    [ -n "$range" ]
    tail -c +$((9 + size + ${range%,*})) "$1" | head -c $((${range#*,} - ${range%,*})) |
        od -An -v -tx1
}

@test "upstream: a run starts with the very bytes of another's state" {
    grid
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    invariants_hold
    [ "$(sql "SELECT count(*) FROM runs WHERE intervention = 'run:up'")" = 2 ]
    [ "$(sql "SELECT count(*) FROM job WHERE state = 'done'")" = 18 ]

    # Evaluated on the same test set, the start of one is the end of the other.
    pairs="FROM dep d JOIN history a ON a.job = d.needs AND a.split = 'test'
        JOIN history b ON b.job = d.job AND b.split = 'test' AND b.epoch = 0
        JOIN sweep_job m ON m.job = d.job WHERE d.role = 'init'"
    warm="m.intervention = 'warm' AND a.epoch = 2"
    middle="m.intervention = 'middle' AND a.epoch = 1"
    reset="m.intervention = 'reset' AND a.epoch = 2"
    [ "$(sql "SELECT count(*) $pairs AND $warm AND a.loss IS b.loss")" = 2 ]
    [ "$(sql "SELECT count(*) $pairs AND $middle AND a.loss IS b.loss")" = 2 ]
    [ "$(sql "SELECT count(*) $pairs AND $reset AND a.loss IS NOT b.loss")" = 2 ]

    # What is reset is what the baseline of the seed was drawn with.
    for i in baseline warm reset; do
        job=$(sql "SELECT job FROM runs WHERE intervention = '$i' AND seed = 0")
        coord artifact get "$job" init -o "$DIR/$i.safetensors"
    done
    [ "$(tensor "$DIR/reset.safetensors" fc2.weight)" = "$(tensor "$DIR/baseline.safetensors" fc2.weight)" ]
    [ "$(tensor "$DIR/reset.safetensors" fc1.weight)" = "$(tensor "$DIR/warm.safetensors" fc1.weight)" ]
    [ "$(tensor "$DIR/reset.safetensors" fc1.weight)" != "$(tensor "$DIR/baseline.safetensors" fc1.weight)" ]
}

@test "upstream: the log says what was taken and what was drawn" {
    grid
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    job=$(sql "SELECT job FROM runs WHERE intervention = 'reset' AND seed = 0")
    coord logs "$job" >"$DIR/log"
    cat "$DIR/log"
    grep -q 'starts from final of run [0-9a-f]*: 4 of 6 tensors taken; drawn: fc2.weight, fc2.bias' "$DIR/log"
}

@test "upstream: what starts from a run that fails is skipped, and so are its probes" {
    grid
    sed -i 's/"data.labels" = { random = 1.0 }/"data.name" = "cifar10", "data.dir" = "\/nonexistent", "model.widths" = [8, 8]/' "$DIR/grid.toml"
    sed -i 's/data = { name = "spiral", train = 200 }/data = { name = "cifar10", train = 200, dir = "\/nonexistent" }/' "$DIR/grid.toml"
    run coord run "$DIR/grid.toml" --workers 2
    [ "$status" -eq 1 ]
    invariants_hold
    [ "$(sql "SELECT count(*) FROM job WHERE state IN ('failed', 'skipped')")" = "$(sql 'SELECT count(*) FROM job')" ]
    [ "$(sql "SELECT count(*) FROM job j JOIN sweep_job m ON m.job = j.id WHERE m.intervention = 'warm' AND j.state <> 'skipped'")" = 0 ]
}
