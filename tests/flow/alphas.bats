#!/usr/bin/env bats
# Alphas where they matter: near a point that is named, and where a curve asks for them;
# and differences along a path with errors of their own.

load common.bash

@test "alphas: refined, adapted, and paired, through coord run" {
    cat >"$DIR/grid.toml" <<TOML
[sweep]
name = "alphas"

[base]
data      = { name = "fashion-mnist", train = $TRAIN }
model     = { name = "mlp", widths = [32], norm = "batch" }
optimizer = { lr = 0.1, momentum = 0.9, batch = 64 }
train     = { epochs = 2, eval = { train = $EVAL, test = $EVAL } }

[[probe]]
name   = "path"
kind   = "path"
alphas = { from = -0.25, to = 1.25, n = 7 }
refine = [{ near = 1.0, n = 4 }, { near = 0.0, n = 1, width = 0.1 }]
adapt  = { tolerance = 0.02, most = 9 }
splits = { train = $EVAL, test = $EVAL, bn = 100 }

[[probe]]
name   = "fc2"
kind   = "layers"
groups = ["fc2"]
alphas = 9
refine = { near = 1.0, n = 5 }
bn     = ["end"]
splits = { train = $EVAL, test = $EVAL }

[[probe]]
name   = "again"
kind   = "path"
alphas = { from = -0.25, to = 1.25, n = 7 }
splits = { train = $EVAL, test = $EVAL, bn = 100 }
TOML
    run coord submit --dry-run "$DIR/grid.toml"
    [ "$status" -eq 0 ]
    grep -qF 'curve rows at most 140' <<<"$output"
    run coord run "$DIR/grid.toml" --workers 1
    [ "$status" -eq 0 ]

    # Two curves of two splits: 7 of the grid, 5 refined, and some asked for.
    is "28,20" "SELECT sum(origin = 'grid'), sum(origin = 'refine') FROM curves
                WHERE probe = 'path'"
    is 1 "SELECT count(*) BETWEEN 4 AND 36 AND min(alpha_index) = 12 FROM curves
          WHERE origin = 'adapt'"
    is "0.875 0.9375 1.0625 1.125" "SELECT group_concat(alpha, ' ') FROM
        (SELECT alpha FROM curves WHERE probe = 'path' AND bn = 'interp' AND split = 'test'
         AND origin = 'refine' AND alpha > 0.5 ORDER BY alpha)"
    # Numbered in the order they came to be; each alpha once.
    is 0 "SELECT count(*) FROM (SELECT 1 FROM curves WHERE probe = 'path'
          GROUP BY bn, split, alpha HAVING count(*) > 1)"
    is 1 "SELECT max(alpha_index) + 1 = count(*) FROM curves
          WHERE probe = 'path' AND bn = 'interp' AND split = 'test'"

    # The same points of a plain grid are the same to the bit.
    is "28,28" "SELECT count(*) AS n, sum(a.loss IS b.loss AND a.accuracy = b.accuracy
                AND a.diff_end IS b.diff_end AND a.diff_end_se IS b.diff_end_se) AS same
                FROM curves a JOIN curves b USING (bn, split, alpha)
                WHERE a.probe = 'path' AND b.probe = 'again' AND a.origin = 'grid'"

    # Differences are those of the means, with an error that is not theirs.
    is 0 "SELECT count(*) FROM curves c JOIN curves e USING (job, bn, split)
          WHERE e.alpha = 1 AND abs(c.diff_end - (c.loss - e.loss)) > 1e-12
             OR e.alpha = 0 AND abs(c.diff_start - (c.loss - e.loss)) > 1e-12"
    is 0 "SELECT count(*) FROM curves WHERE (loss IS NULL) <> (diff_end_se IS NULL)
          OR (loss IS NULL) <> (diff_start_se IS NULL)
          OR alpha IN (0, 1) AND diff_start_se * diff_end_se <> 0"
    is 0 "SELECT count(*) FROM curves WHERE alpha IN (0.75, 1.25)
          AND diff_end_se > sqrt(2) * loss_se"
    is 0 "SELECT count(*) FROM paths WHERE bump > 0 AND nonfinite_points = 0
          AND (bump_se IS NULL OR bump_from >= bump_to)"
    is 0 "SELECT count(*) FROM paths p JOIN curves f USING (job, bn, split)
          JOIN curves t USING (job, bn, split)
          WHERE f.alpha = p.bump_from AND t.alpha = p.bump_to
            AND abs(t.loss - f.loss - p.bump) > 1e-12"

    [ "$(results | grep -c ',pairs,')" = "$(sql 'SELECT count(*) FROM point')" ]

    # Plots have all points where they lie, lines of characters one for each of the grid.
    run coord report alphas
    grep -q 'alpha -0.25 to 1.25' <<<"$output"
    grep -qE '^  fc2 +end +[▁▂▃▄▅▆▇█]{9}  ' <<<"$output"
}
