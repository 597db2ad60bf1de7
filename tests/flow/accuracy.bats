#!/usr/bin/env bats
# The networks learn what they should on all of Fashion-MNIST. Minutes of
# arithmetic, so the release build only: the sanitizers have nothing to find here
# that the other tests do not show them.

load common.bash

@test "five epochs of Fashion-MNIST: LeNet-5 reaches 88 %, an MLP 87 %" {
    cat >"$DIR/grid.toml" <<'TOML'
[sweep]
name = "accuracy"
seeds = 1

[base]
data = { name = "fashion-mnist" }
model = { name = "lenet5" }
optimizer = { lr = 0.05, momentum = 0.9, weight_decay = 5e-4, batch = 128 }
train = { epochs = 5, schedule = { name = "step", at = [3], factor = 0.1 } }

[[intervention]]
name = "mlp"
role = "model"
set = { "model.name" = "mlp", "model.widths" = [300, 100] }
TOML
    coord run "$DIR/grid.toml" --workers 2
    [ "$(sql "SELECT epochs = 5 AND test_acc >= 0.88 FROM runs WHERE intervention = 'baseline'")" = 1 ]
    [ "$(sql "SELECT epochs = 5 AND test_acc >= 0.87 FROM runs WHERE intervention = 'mlp'")" = 1 ]
    # All 70,000 images were there, and all 10,000 of the test set were asked.
    [ "$(sql "SELECT DISTINCT n FROM evaluation WHERE split = 'test'")" = 10000 ]
    [ "$(sql "SELECT DISTINCT n FROM evaluation WHERE split = 'batch'")" = 60000 ]
    invariants_hold
}
