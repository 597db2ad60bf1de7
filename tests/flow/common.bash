# What the flow tests share: real coordinators and workers in a directory of the
# test's own, on free ports, ended by their ids. Waits have deadlines.

COORD_SOURCE=${COORD_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
COORD_BIN=${COORD_BIN:-$COORD_SOURCE/build/release/bin}

coord() { "$COORD_BIN/coord" "$@"; }

# Deadlines are generous, since they only matter when something is broken.
DEADLINE_S=300

# The sanitizers make arithmetic some thirty times slower, so their runs are that
# much smaller: about a second each in every build.
case $COORD_BIN in
*/release/*) TRAIN=3000 EVAL=500 ;;
*) TRAIN=200 EVAL=50 ;;
esac

# spiral_grid NAME EPOCHS KEEP: two runs of a few milliseconds and their paths, in
# $DIR/grid.toml. They keep the states KEEP.
spiral_grid() {
    cat >"$DIR/grid.toml" <<TOML
[sweep]
name = "$1"
seeds = 2

[base]
data = { name = "spiral", train = 60 }
model = { name = "mlp", widths = [4] }
optimizer = { lr = 0.1, batch = 20 }
train = { epochs = $2, eval.train = 20, keep = [$3] }

[[probe]]
name = "path"
kind = "path"
alphas = 3
splits = { train = 20, test = 20 }
TOML
}

setup() {
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/coord-flow.XXXXXX")
    export COORD_DIR=$DIR/state
    mkdir "$COORD_DIR"
    PIDS=()
    [ -x "$COORD_BIN/coord" ] || { echo "build first: $COORD_BIN/coord"; return 1; }
}

teardown() {
    for pid in "${PIDS[@]}"; do
        kill -CONT "$pid" 2>/dev/null || true
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if [ -n "${BATS_ERROR_STATUS:-}" ] && [ "$BATS_ERROR_STATUS" -ne 0 ]; then
        tail -n 20 "$DIR"/*.log 2>/dev/null
    fi
    rm -rf "$DIR"
}

# wait_for COMMAND...: until it succeeds, or fail at the deadline.
wait_for() {
    local end=$((SECONDS + DEADLINE_S))
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "deadline: $*"
            return 1
        fi
        read -r -t 0.05 <> <(:) || true
    done
}

# One value (or CSV rows without the header) from the database.
sql() { coord --csv sql "$1" | tail -n +2; }

# is VALUE SQL: the statement gives that value.
is() { [ "$(sql "$2")" = "$1" ]; }

# serve [OPTION...]: start a coordinator; its endpoint is in $ENDPOINT.
serve() {
    "$COORD_BIN/coord" serve --bind "${BIND:-tcp://127.0.0.1:*}" "$@" \
        >>"$DIR/serve.log" 2>&1 3>&- &
    SERVE=$!
    PIDS+=("$SERVE")
    wait_for grep -q "ready: .*pid=$SERVE\$" "$DIR/serve.log"
    ENDPOINT=$(cat "$COORD_DIR/endpoint")
}

# worker NAME [OPTION...]: start a worker daemon; its id is in $WORKER.
worker() {
    local name=$1
    shift
    "$COORD_BIN/coord-worker" --connect "$ENDPOINT" --cache "$DIR/cache-$name" \
        --slots 1 "$@" >>"$DIR/worker-$name.log" 2>&1 3>&- &
    WORKER=$!
    PIDS+=("$WORKER")
}

# What a job goes on from: saved_at and wait_for_progress are the file's own.
is_saved_beyond() { [ "$(saved_at)" -gt "$1" ]; }
# trial_of DAEMON: the process of its trial.
trial_of() { cut -d' ' -f1 "/proc/$1/task/$1/children"; }

# kill_in_turn SECONDS: after some progress each, kill -9 of the trial, of the coordinator
# while the worker goes on, and of the worker with its trial. Worker `one` runs, and saves
# every so many seconds, as does `two` in the end.
kill_in_turn() {
    wait_for_progress
    kill -KILL "$(trial_of "$WORKER")"
    wait_for is 1 "SELECT count(*) > 0 FROM attempt WHERE cause = 'signal'"
    wait_for_progress
    kill -KILL "$SERVE"
    wait "$SERVE" || true
    BIND=$ENDPOINT serve --lease 2 --beat 300
    wait_for_progress
    kill -KILL "$WORKER"
    wait "$WORKER" || true
    worker two --checkpoint "$1"
    wait_for is 1 "SELECT count(*) > 0 FROM attempt WHERE cause = 'worker-lost'"
    wait_for_progress
}

# Every result row of every job, in an order of its own: what must be byte-equal
# whoever computed it. Times and hosts are left out.
results() { coord --csv sql "$(cat "$COORD_SOURCE/tests/flow/results.sql")"; }

# What must hold in every database at rest: one row of zeros.
invariants_hold() {
    local got
    got=$(coord --csv sql "$(cat "$COORD_SOURCE/coordinator/sql/invariants.sql")" | tail -n 1)
    echo "invariants: $got"
    [ "$got" = "0,0,0,0,0,0,0" ]
}

# A sweep of runs of about a second each, and their paths.
write_grid() {
    cat >"$DIR/grid.toml" <<TOML
[sweep]
name = "flow"
seeds = 4

[base]
data = { name = "fashion-mnist", train = $TRAIN }
model = { name = "lenet5" }
optimizer = { lr = 0.05, momentum = 0.9 }
train = { epochs = 3, eval = { train = $EVAL, test = $EVAL } }

[[intervention]]
name = "random-labels"
role = "data"
set = { "data.labels.random" = 1.0 }

[[probe]]
name = "path"
kind = "path"
alphas = 5
splits = { train = $EVAL, test = $EVAL }

[[probe]]
name = "layers"
kind = "layers"
alphas = 3
splits = { train = $EVAL, test = $EVAL }
TOML
}
