#!/usr/bin/env bats
# Planes, and lines that start where no run has been, from a grid file to the views.

load common.bash

grid() {
    cat >"$DIR/grid.toml" <<'TOML'
[sweep]
name = "kinds"

[base]
data = { name = "spiral", train = 200 }
model = { name = "mlp", widths = [8, 8], norm = "batch" }
optimizer = { lr = 0.1, batch = 50 }
train = { epochs = 20, eval = { train = 100, test = 100 } }

[run.other]
set = { "seed.init" = 7 }

[[probe]]
name = "plane"
kind = "plane"
third = "run:other"
xs = [0, 0.5, 1]
ys = { from = 0, to = 1, n = 2 }
bn = ["interp", "recompute"]
splits = { train = 100, test = 100, bn = 100 }

[[probe]]
name = "around"
kind = "plane"
directions = "random"
xs = 3
ys = 3
groups = ["fc1", "fc2+fc3"]
bn = ["end"]
splits = { train = 100, test = 100 }

[[probe]]
name = "permuted"
kind = "path"
start = "permuted"
alphas = 5
bn = ["interp"]
splits = { train = 100, test = 100 }

[[probe]]
name = "from-other"
kind = "path"
from = "run:other"
alphas = 3
bn = ["interp"]
splits = { train = 100, test = 100 }
TOML
}

@test "planes: their points, corners and directions are in the view" {
    grid
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    invariants_hold
    is 24 "SELECT count(*) FROM planes WHERE probe = 'plane'"
    is 36 "SELECT count(*) FROM planes WHERE probe = 'around'"
    # The corners are the runs' own evaluations.
    is 2 "SELECT count(*) FROM planes p JOIN runs r ON r.job = p.run_b
          WHERE p.probe = 'plane' AND bn = 'interp' AND x = 1 AND y = 0 AND loss =
          CASE p.split WHEN 'test' THEN test_loss ELSE train_loss END"
    is 2 "SELECT count(*) FROM planes p JOIN runs r ON r.job = p.run_c
          WHERE p.probe = 'plane' AND bn = 'interp' AND x = 0 AND y = 1 AND loss =
          CASE p.split WHEN 'test' THEN test_loss ELSE train_loss END"
    is 4 "SELECT count(*) FROM planes p JOIN runs r ON r.job = p.run_b
          WHERE p.probe = 'around' AND x = 0 AND y = 0 AND loss =
          CASE p.split WHEN 'test' THEN test_loss ELSE train_loss END"
    is 0 "SELECT count(*) FROM planes WHERE u IS NULL OR v IS NULL
          OR (x = 1 AND y = 0 AND abs(u - x_l2) > 1e-9)"
    is 0 "SELECT count(*) FROM curves WHERE probe IN ('plane', 'around')"
    is 0 "SELECT count(*) FROM paths WHERE probe IN ('plane', 'around')"
}

@test "starts: a permuted copy ends and begins alike, and there is a rise between" {
    grid
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    is 2 "SELECT count(*) FROM paths WHERE start = 'permuted' AND dist_l2 > 0
          AND abs(loss_start - loss_end) < 1e-5 AND barrier_linear > 0.001"
    is 10 "SELECT count(*) FROM curves WHERE start = 'permuted'"
    is 2 "SELECT count(*) FROM paths p JOIN runs a ON a.job = p.run_a
          WHERE probe = 'from-other' AND start = '' AND a.intervention = 'run:other'
          AND loss_start = CASE p.split WHEN 'test' THEN a.test_loss
          ELSE a.train_loss END"
}

@test "planes: what cannot be is an error before anything runs" {
    grid
    sed -i 's/third = "run:other"/third = "run:another"/' "$DIR/grid.toml"
    run coord submit --dry-run "$DIR/grid.toml"
    [ "$status" -eq 2 ]
    [[ "$output" == *"grid.toml:16:1: key 'third': expected a state of a [run.NAME] (other), got \"run:another:final\""* ]]
}
