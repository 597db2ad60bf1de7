#!/usr/bin/env bats
# Every network that a grid can name trains, and can be probed.

load common.bash

@test "models: every network trains through coord run" {
    cat >"$DIR/grid.toml" <<'TOML'
[sweep]
name = "models"

[base]
data      = { name = "blobs", shape = [3, 32, 32], sizes = [24, 16] }
optimizer = { lr = 0.001, batch = 8 }
train     = { epochs = 1, eval = { train = 8, test = 8 } }

[[intervention]]
name = "quarter"
role = "model"
set  = { "model.width" = 0.125 }
axes = { "model.name" = ["vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "resnet34", "resnet50"] }

[[intervention]]
name = "cifar-resnets"
role = "model"
set  = { "model.width" = 4 }
axes = { "model.name" = ["resnet20", "resnet32", "resnet44", "resnet56", "resnet110"] }

[[intervention]]
name = "norms"
role = "model"
set  = { "model.name" = "resnet20", "model.width" = 8 }
axes = { "model.norm" = ["group", "layer", "none", "fixup"], "model.residual" = [true] }

[[intervention]]
name = "plain"
role = "model"
set  = { "model.name" = "resnet20", "model.width" = 4, "model.residual" = false }

[[intervention]]
name = "option-a"
role = "model"
set  = { "model.name" = "resnet20", "model.width" = 4, "model.shortcut" = "pad" }

[[intervention]]
name = "imagenet-stem"
role = "model"
set  = { "model.name" = "resnet18", "model.width" = 0.125, "model.stem" = "imagenet", "data.shape" = [1, 64, 64] }

[[intervention]]
name = "mlps"
role = "model"
set  = { "model.name" = "mlp", "model.widths" = [16, 16], "model.dropout" = 0.2 }
axes = { "model.norm" = ["none", "batch", "layer"], "model.activation" = ["relu", "tanh", "sigmoid", "gelu"] }

[[intervention]]
name = "lenet-300-100"
role = "model"
set  = { "model.name" = "lenet-300-100" }

[[probe]]
name   = "path"
kind   = "path"
alphas = 2
splits = { train = 8, test = 8, bn = 8 }
TOML
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    invariants_hold
    [ "$(sql 'SELECT count(*) FROM runs')" = 33 ]
    [ "$(sql "SELECT count(*) FROM job WHERE state <> 'done'")" = 0 ]
    # Its end is where training left it, whatever the network.
    [ "$(sql "SELECT count(*) FROM curves c JOIN history h ON h.job = c.run_b
        AND h.split = c.split AND h.epoch = 1
        WHERE c.alpha = 1 AND c.bn IN ('interp', 'none')")" = 66 ]
    [ "$(sql "SELECT count(*) FROM curves c JOIN history h ON h.job = c.run_b
        AND h.split = c.split AND h.epoch = 1
        WHERE c.alpha = 1 AND c.bn IN ('interp', 'none') AND c.loss IS NOT h.loss")" = 0 ]
}
