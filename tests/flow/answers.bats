#!/usr/bin/env bats
# What a probe tells beyond its points: classes, single examples, and where the run went.

load common.bash

grid() {
    cat >"$DIR/grid.toml" <<TOML
[sweep]
name = "answers"
seeds = 2

[base]
data = { name = "fashion-mnist", train = $TRAIN }
model = { name = "mlp", widths = [32], norm = "batch" }
train = { epochs = 3, keep = ["epoch:1", "step:2"], eval = { train = $EVAL, test = $EVAL } }

[[probe]]
name = "layers"
kind = "layers"
groups = ["all", "fc1"]
alphas = 5
bn = ["interp", "end"]
splits = { train = $EVAL, test = $EVAL }
classes = true
examples = 20
trajectory = true

[[probe]]
name = "plain"
kind = "path"
alphas = 3
splits = { train = $EVAL, test = $EVAL, bn = $EVAL }
TOML
}

@test "answers: classes, kept losses and the trajectory come with the curves" {
    grid
    coord run "$DIR/grid.toml" --workers 2
    # Classes of a point are all of its examples, and add up to it.
    is 0 "SELECT count(*) FROM curves c LEFT JOIN (
            SELECT job, grp, bn, split, alpha_index, sum(n) AS n, sum(n * loss) / sum(n) AS loss,
                   sum(n * accuracy) / sum(n) AS accuracy
            FROM class_curves GROUP BY job, grp, bn, split, alpha_index) k
          USING (job, grp, bn, split, alpha_index)
          WHERE c.probe = 'layers' AND NOT ifnull(k.n = c.n AND abs(k.loss / c.loss - 1) < 1e-12
            AND abs(k.accuracy - c.accuracy) < 1e-12, 0)"
    is 0 "SELECT count(*) FROM class_curves WHERE probe <> 'layers'"
    # Two seeds, two states between, two groups.
    is 8 "SELECT count(*) FROM trajectory"
    is 'epoch:1,1
step:2,1' "SELECT DISTINCT t.state, c.step = t.step FROM trajectory t
             JOIN checkpoint c ON c.job = t.run AND c.name = t.state ORDER BY t.state"
    is 1 "SELECT min(alpha < 1 AND dist_line > 0 AND angle BETWEEN 0 AND 180
                     AND corner BETWEEN 0 AND 180) AS all_well FROM trajectory"
    # A state's distance to the line is at most that of the whole to a group's part.
    is 1 "SELECT min(t.dist_line >= g.dist_line) FROM trajectory t JOIN trajectory g
            USING (job, state) WHERE t.grp = 'all' AND g.grp = 'fc1'"
    # A file a probe: 4 curves of 5 points, 20 examples.
    is 2 "SELECT count(*) FROM checkpoint WHERE name = 'examples'"
    job=$(sql "SELECT min(job) FROM checkpoint WHERE name = 'examples'")
    coord artifact get "$job" examples -o "$DIR/examples.safetensors"
    grep -aq '"fc1/end/test/losses":{"dtype":"F32","shape":\[5,20\]' "$DIR/examples.safetensors"
    grep -aq '"all/interp/alphas":{"dtype":"F64","shape":\[5\]' "$DIR/examples.safetensors"
    grep -aq '"train/labels":{"dtype":"U8","shape":\[20\]' "$DIR/examples.safetensors"
    coord artifact list | grep -q "^ *$job  examples .* stored "
    invariants_hold
    # A second submission computes nothing.
    coord run "$DIR/grid.toml" --workers 2
    is 2 "SELECT count(*) FROM attempt t JOIN job j ON j.id = t.job
          WHERE j.spec LIKE '%probe.trajectory%'"
}

@test "answers: a run that ended before its states has a curve all the same" {
    grid
    sed -i 's/seeds = 2/seeds = 1/; s/epochs = 3, keep = \["epoch:1"/epochs = 3, until = { train_acc = 0.01 }, keep = ["epoch:1"/' "$DIR/grid.toml"
    coord run "$DIR/grid.toml" --workers 2
    is 0 "SELECT max(epochs) FROM runs"
    is 20 "SELECT count(*) FROM curves WHERE probe = 'layers' AND split = 'test'"
    is 0 "SELECT count(*) FROM trajectory"
    is '' "SELECT * FROM failures"
    invariants_hold
}

@test "answers: more examples than there are is an error that says so" {
    grid
    sed -i 's/examples = 20/examples = 100000/' "$DIR/grid.toml"
    run coord submit --dry-run "$DIR/grid.toml"
    [ "$status" -eq 2 ]
    [[ $output == *"key 'examples'"*"asks for 100000 examples, the probe evaluates $EVAL training examples"* ]]
}
