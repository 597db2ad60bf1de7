#!/usr/bin/env bats
# What a coordinator does when its own machine is in trouble: a full disk, a
# deleted database, more that leave at once than it can answer.

load common.bash

# Some hundred jobs of some milliseconds each.
write_many() {
    cat >"$DIR/grid.toml" <<'TOML'
[sweep]
name = "many"
seeds = 50

[base]
data = { name = "spiral", train = 500 }
model = { name = "mlp", widths = [64] }
optimizer = { lr = 0.05 }
train = { epochs = 20, eval = { train = 100, test = 100 } }

[[probe]]
name = "path"
kind = "path"
alphas = 5
splits = { train = 100, test = 100 }
TOML
}

ended() { sql "SELECT count(*) FROM job WHERE state IN ('done', 'failed', 'skipped')"; }
all_ended() { [ "$(ended)" = 100 ]; }
logged() { grep -q "$1" "$2"; }
accepted() { cat "$DIR"/worker-*.log | grep -c 'the result accepted' || true; }
all_accepted() { [ "$(accepted)" = 100 ]; }

@test "a full disk: results wait at the workers, and nothing is run twice" {
    write_many
    serve --lease 2 --beat 200
    worker one --log-level debug
    worker two --log-level debug
    coord submit "$DIR/grid.toml"
    # No file grows beyond what the log has now: as a full disk, but ours alone.
    prlimit --pid "$SERVE" --fsize="$(stat -c %s "$COORD_DIR/coord.db-wal"):unlimited"
    wait_for logged 'the database failed' "$DIR/serve.log"
    wait_for logged 'cannot write its database' "$DIR/worker-one.log"
    read -r -t 5 <> <(:) || true # longer than the lease
    kill -0 "$SERVE"
    [ "$(ended)" -lt 100 ]
    prlimit --pid "$SERVE" --fsize=unlimited:unlimited
    wait_for all_ended
    invariants_hold
    [ "$(sql "SELECT count(*) FROM job WHERE state = 'done' AND attempt = 1")" = 100 ]
}

@test "a deleted database: nothing is acknowledged, and it goes on with the file" {
    write_many
    serve --lease 2 --beat 200
    worker one --log-level debug
    coord submit "$DIR/grid.toml"
    mkdir "$DIR/aside"
    mv "$COORD_DIR"/coord.db* "$DIR/aside"
    wait_for logged 'was deleted or replaced' "$DIR/serve.log"
    before=$(accepted)
    read -r -t 1 <> <(:) || true
    [ "$(accepted)" = "$before" ]
    mv "$DIR/aside"/coord.db* "$COORD_DIR"
    wait_for all_ended
    wait_for all_accepted
    invariants_hold
    [ "$(sql "SELECT count(*) FROM result")" = 100 ]
}

@test "workers that leave together are all heard" {
    local workers=()
    serve --lease 60
    for i in {1..20}; do
        worker "$i"
        workers+=("$WORKER")
    done
    wait_for is 20 "SELECT count(*) FROM worker WHERE state = 'connected'"
    kill -TERM "${workers[@]}"
    wait_for is 20 "SELECT count(*) FROM worker WHERE state = 'left'"
}
