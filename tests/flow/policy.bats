#!/usr/bin/env bats
# Which worker gets what, on real processes: machines that fail jobs, jobs that need much,
# workers with little time.

load common.bash

all_done() { is 0 "SELECT count(*) FROM job WHERE state <> 'done'"; }
is_running() { is 1 "SELECT count(*) > 0 FROM job WHERE state = 'running'"; }

# Short runs, a line of [sweep] each time.
small_grid() {
    cat >"$DIR/grid.toml" <<TOML
[sweep]
name = "small"
$1

[base]
data = { name = "spiral" }
model = { name = "mlp", widths = [4] }
train = { epochs = 1 }
TOML
}

@test "T29 a worker on which jobs fail that succeed elsewhere gets no more, until it may again" {
    small_grid "seeds = 30"
    serve --beat 500
    # Its data are damaged.
    mkdir "$DIR/broken"
    sed -i 's/"spiral"/"fashion-mnist", train = 100/' "$DIR/grid.toml"
    mkdir -p "$DIR/broken/fashion-mnist"
    for file in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte \
        t10k-labels-idx1-ubyte; do
        head -c 100 /dev/zero | gzip >"$DIR/broken/fashion-mnist/$file.gz"
    done
    worker good --name good
    wait_for is 1 "SELECT count(*) FROM worker WHERE state = 'connected'"
    worker bad --name bad --data "$DIR/broken"
    wait_for is 2 "SELECT count(*) FROM worker WHERE state = 'connected'"
    coord submit "$DIR/grid.toml"
    wait_for is 1 "SELECT count(*) FROM quarantine"
    run coord status
    [[ $output == *"worker 2 (bad) gets no jobs: 5 jobs in a row failed on bad"* ]]
    run coord worker list
    [[ $output == *"5 jobs in a row failed on bad"* ]]
    wait_for all_done
    [ "$(sql "SELECT count(*) FROM attempt t JOIN worker w ON w.id = t.worker
        WHERE w.host = 'good' AND t.state = 'failed'")" = 0 ]
    [ "$(sql "SELECT count(*) FROM control WHERE verb = 'quarantine'")" = 1 ]
    run coord worker resume bad
    [ "$status" -eq 0 ]
    [[ $output == *"worker 2 gets jobs again"* ]]
    [ "$(sql "SELECT count(*) FROM quarantine")" = 0 ]
    invariants_hold
}

@test "T19 a worker whose time is up saves what it runs, hands it on, and leaves with 0" {
    write_grid
    sed -i 's/epochs = 3/epochs = 400/; s/^seeds = 4/seeds = 1/' "$DIR/grid.toml"
    serve --beat 500
    worker short --time-limit 16s
    SHORT=$WORKER
    coord submit "$DIR/grid.toml"
    wait_for is_running
    run coord worker list
    [[ $output == *leaves_utc* ]]
    wait "$SHORT" # with 0, or this ends the test
    grep -q "the time limit is near" "$DIR/worker-short.log"
    [ "$(sql "SELECT state FROM worker WHERE id = 1")" = left ]
    # Handed on with its progress, and held against nobody.
    [ "$(sql "SELECT count(*) FROM attempt WHERE cause = 'preempted'")" -ge 1 ]
    [ "$(sql "SELECT count(*) FROM attempt WHERE state = 'failed'
        AND cause <> 'preempted'")" = 0 ]
    [ "$(sql "SELECT count(*) FROM resume WHERE step > 0")" -ge 1 ]
    [ "$(sql "SELECT count(*) FROM job WHERE state IN ('running', 'failed')")" = 0 ]
    invariants_hold
}

@test "policy: a sweep's labels, cores and memory find their worker, and status says when none is there" {
    # A sanitizer maps some 20 TB for itself, which count as a job's.
    local unit=" GB"
    case $COORD_BIN in */release/*) ;; *) unit="00000 GB" ;; esac
    small_grid "seeds = 2
labels = [\"big\"]
cores = 2
memory = \"2$unit\"
priority = 3"
    serve --beat 500
    worker one --memory "1$unit"
    wait_for is connected "SELECT state FROM worker"
    coord submit "$DIR/grid.toml"
    run coord status
    [[ $output == *'no connected worker can take jobs of small, which need cores = 2 memory = '"2$unit"' labels = ["big"]'* ]]
    run coord explain 1
    [[ $output == *"no connected worker can take jobs of small"* ]]
    run coord --json status
    [[ $output == *'"troubles":["no connected worker'* ]]
    worker two --slots 2 --memory "3$unit" --label big --label fast
    wait_for all_done
    [ "$(sql "SELECT DISTINCT worker FROM attempt")" = 2 ]
    # Memory for one of them at a time.
    [ "$(sql "SELECT count(*) FROM attempt a JOIN attempt b ON a.job <> b.job
        AND a.started_ms < b.started_ms AND a.ended_ms > b.started_ms")" = 0 ]
    run "$COORD_BIN/coord-worker" --connect "$ENDPOINT" --label "a b"
    [ "$status" -eq 2 ]
    run "$COORD_BIN/coord-worker" --connect "$ENDPOINT" --time-limit soon
    [ "$status" -eq 2 ]
}

@test "policy: a job beyond its memory ends by oom, and is tried again when it may be" {
    case $COORD_BIN in */release/*) ;; *) skip "a sanitizer's own memory is counted" ;; esac
    small_grid $'memory = "20 MB"\nretries = { oom = 1 }'
    sed -i 's/widths = \[4\]/widths = [3000, 3000]/' "$DIR/grid.toml"
    serve --beat 500
    worker one
    coord submit "$DIR/grid.toml"
    wait_for is 1 "SELECT count(*) FROM backoff"
    run coord explain 1
    [[ $output == *"it is tried again at "*"attempt 1 ended by oom"* ]]
    wait_for is failed "SELECT state FROM job"
    [ "$(sql "SELECT group_concat(cause, ' ') FROM attempt")" = "oom oom" ]
    run coord explain 1
    [[ $output == *"this cause is tried again 1 times"* ]]
    invariants_hold
}

@test "policy: a worker that is refused is said by status" {
    serve
    "$COORD_BIN/coord" keygen --worker other >/dev/null
    cp "$COORD_DIR/keys/other.key" "$DIR/other.key"
    "$COORD_BIN/coord" keygen --revoke other
    run "$COORD_BIN/coord-worker" --connect "$ENDPOINT" --key "$DIR/other.key"
    [ "$status" -eq 4 ]
    run coord status
    [[ $output == *"the coordinator has refused somebody"*"is not on the list"* ]]
}
