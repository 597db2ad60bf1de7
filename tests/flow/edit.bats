#!/usr/bin/env bats
# A grid that is edited while its sweep runs: what is new, what is there, what is no
# longer wanted, and what --prune does with that.

load common.bash

# grid SEEDS [NAME]
grid() {
    cat >"$DIR/grid.toml" <<TOML
[sweep]
name = "${2:-edit}"
seeds = $1

[base]
data = { name = "spiral", train = 200 }
model = { name = "mlp", widths = [8] }
train = { epochs = 1, eval.train = 100 }

[[probe]]
name = "path"
kind = "path"
alphas = 3
splits = { train = 100, test = 100 }
TOML
}

submit() { run coord submit "$@" "$DIR/grid.toml"; [ "$status" = 0 ]; }

@test "edit: the difference is printed, and applied to the live sweep" {
    grid 3
    serve
    submit
    [ "$output" = "edit: 6 jobs, 6 new" ]
    # the same again: nothing
    submit
    [ "${lines[0]}" = "edit: 6 jobs, 0 new" ]
    [ "${lines[1]}" = "edit: 0 new, 3 waiting, 3 ready" ]
    # one seed more: exactly its jobs
    grid 4
    submit --dry-run
    [ "${#lines[@]}" -eq 3 ]
    [[ "$output" == *"edit: 2 new, 3 waiting, 3 ready"* ]]
    [[ "$output" == *"of one core to be done (at 50 GF/s a core, not measured yet)"* ]]
    submit --dry-run --jobs
    [ "${#lines[@]}" -eq 12 ]
    submit
    [ "${lines[0]}" = "edit: 8 jobs, 2 new" ]
    # two less: they stay, unless pruned
    grid 2
    submit
    [ "${lines[1]}" = "edit: 0 new, 2 waiting, 2 ready; 4 no longer in the grid (4 of them to be done)" ]
    [ "${lines[2]}" = "coord submit --prune cancels what is no longer in the grid" ]
    is 0 "SELECT count(*) FROM job WHERE state = 'cancelled'"
    # what another sweep asks for is not cancelled
    grid '[3]' other
    submit
    grid 2
    submit --prune
    [[ "${lines[1]}" == *"; 4 no longer in the grid (2 of them to be done)" ]]
    [ "${lines[2]}" = "cancelled 1 job, 1 skipped with them" ]
    is 2 "SELECT count(*) FROM job WHERE state IN ('cancelled', 'skipped')"
    is 1 "SELECT count(*) FROM event WHERE event = 'cancel'
        AND detail = 'no longer in the grid' AND job = 3"
    invariants_hold
}

@test "edit: results stay when the grid no longer asks for them" {
    grid 2
    serve
    worker a
    submit --wait
    grid 1
    submit --prune
    [[ "${lines[1]}" == "edit: 0 new, 2 done; 2 no longer in the grid" ]]
    is 4 "SELECT count(*) FROM job WHERE state = 'done'"
    grid 2
    submit
    [ "${lines[1]}" = "edit: 0 new, 4 done" ]
}
