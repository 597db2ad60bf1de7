#!/usr/bin/env bats
# Long probes: cut into parts for several slots, and interrupted in every way, they give
# the bytes of one that one slot made in one go.

load common.bash

case $COORD_BIN in
*/release/*) PROBED=1500 ALPHAS=24 ;;
*) PROBED=200 ALPHAS=6 ;;
esac

# write_grid SPLIT...: a short run, and probes of it, each split into so many parts.
write_grid() {
    local split
    cat >"$DIR/grid.toml" <<TOML
[sweep]
name = "cut"
seeds = 1

[base]
data = { name = "blobs", shape = [3, 8, 8], sizes = [$PROBED, $PROBED] }
model = { name = "resnet20", width = 4.0 }
optimizer = { lr = 0.02, momentum = 0.9, batch = 50 }
train = { epochs = 1, keep = ["step:2"], eval = { train = $EVAL, test = $EVAL } }
TOML
    for split; do
        cat >>"$DIR/grid.toml" <<TOML

[[probe]]
name = "${split%%:*}"
$(echo "${split#*:}" | tr ';' '\n')
splits = { train = $PROBED, test = $PROBED, bn = 150 }
TOML
    done
}

# What the probes and the run gave, parts aside.
rows() { results | grep -v ',state,part,'; }

undisturbed() {
    sed '/^split = /d' "$DIR/grid.toml" >"$DIR/plain.toml"
    COORD_DIR=$DIR/undisturbed coord run "$DIR/plain.toml" --workers 1 >"$DIR/report"
    COORD_DIR=$DIR/undisturbed rows >"$DIR/undisturbed.csv"
}

same_as_undisturbed() {
    invariants_hold
    rows >"$DIR/rows.csv"
    undisturbed
    cmp "$DIR/undisturbed.csv" "$DIR/rows.csv"
}

parts() { sql "SELECT count(DISTINCT job) FROM sweep_job WHERE role = 'part'"; }

@test "parts: split probes give the bytes of whole ones, and are made once" {
    write_grid 'path:kind = "path";alphas = 9;split = 6' \
        'groups:kind = "layers";groups = "blocks";alphas = 3;classes = true;trajectory = true;split = 3' \
        'asks:kind = "layers";groups = ["B1", "fc"];alphas = 4;adapt = { most = 4 };split = 9' \
        'plane:kind = "plane";third = "step:2";groups = ["fc"];xs = 3;ys = 2'
    coord submit --dry-run "$DIR/grid.toml" | head -n 1 | grep -q 'probes 4,.* parts 11,'
    coord run "$DIR/grid.toml" --workers 2 >"$DIR/report"
    [ "$(parts)" = 11 ]
    [ "$(sql "SELECT count(*) FROM job WHERE state = 'done'")" = 16 ]
    # Parts give no rows of their own.
    [ "$(sql "SELECT count(DISTINCT job) FROM curves")" = 3 ]
    [ "$(sql "SELECT count(DISTINCT job) FROM paths")" = 3 ]
    [ "$(sql "SELECT count(*) FROM runs")" = 1 ]
    coord --csv jobs cut | grep -q 'path (part)'
    coord logs "$(sql "SELECT job FROM paths WHERE probe = 'path' LIMIT 1")" |
        grep -q 'made of parts'
    same_as_undisturbed
    for kind in class place plane 'plane point'; do
        grep -q ",$kind," "$DIR/rows.csv"
    done
    # Where the whole is, there are no parts.
    COORD_DIR=$DIR/undisturbed
    coord run "$DIR/grid.toml" --workers 1 >"$DIR/report"
    [ "$(parts)" = 0 ]
    [ "$(sql "SELECT count(*) FROM job")" = 5 ]
}

@test "parts: without one of them the probe is skipped, and a retry revives it" {
    write_grid 'path:kind = "path";alphas = 9;split = 3'
    serve
    coord submit "$DIR/grid.toml"
    local part whole
    part=$(sql "SELECT max(job) FROM sweep_job WHERE role = 'part'")
    whole=$(sql "SELECT job FROM sweep_job WHERE role = '' AND probe = 'path'")
    coord cancel "$part" --reason 'a test'
    wait_for is skipped "SELECT state FROM job WHERE id = $whole"
    sql "SELECT reason FROM job WHERE id = $whole" |
        grep -q "needs 'part' of job $part, which was cancelled"
    coord retry "$part"
    wait_for is waiting "SELECT state FROM job WHERE id = $whole"
    worker one
    wait_for is 5 "SELECT count(*) FROM job WHERE state = 'done'"
    same_as_undisturbed
}

# --- interrupted -------------------------------------------------------------------

# What the running attempt would go on from, as a number that grows.
saved_at() { sql "SELECT coalesce(max(at_ms), 0) FROM resume"; }
wait_for_progress() {
    wait_for is 1 "SELECT count(*) FROM job WHERE kind = 'probe' AND state = 'running'"
    wait_for is_saved_beyond "$(saved_at)"
}

@test "parts: a probe whose trial, worker and coordinator are killed goes on" {
    write_grid "blocks:kind = \"layers\";groups = \"blocks\";alphas = $ALPHAS"
    serve --lease 2 --beat 300
    worker one --checkpoint 0.05
    coord submit "$DIR/grid.toml"

    kill_in_turn 0.05
    # SIGTERM: it saves itself and is handed back.
    kill -TERM "$WORKER"
    wait "$WORKER"
    wait_for is 1 "SELECT count(*) > 0 FROM attempt WHERE cause = 'preempted'"
    worker three --checkpoint 0.05

    wait_for is 2 "SELECT count(*) FROM job WHERE state = 'done'"
    [ "$(sql "SELECT count(*) FROM event WHERE detail LIKE 'goes on from curve %'")" -ge 3 ]
    # What was done is not done again: the last attempt says so, and names other groups
    # only.
    coord logs 2 >"$DIR/last"
    local done
    done=$(sed -n 's/^the probe goes on: \([0-9]*\) of 10 curves are done$/\1/p' "$DIR/last")
    [ -n "$done" ]
    [ "$(grep -c '^group ' "$DIR/last")" = "$((5 - done / 2))" ]
    [ "$(sql "SELECT count(*) FROM resume")" = 0 ]
    same_as_undisturbed
}
