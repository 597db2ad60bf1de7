#!/usr/bin/env bats
# Workers and what they run, each ended or held up in its own way; and what depends on it.

load common.bash

TOOLS=$COORD_BIN/../tests

# One run of some seconds and its path, from the file's own start.
write_one() {
    cat >"$DIR/grid.toml" <<TOML
[sweep]
name = "one"
seeds = ${1:-1}
[base]
data = { name = "fashion-mnist", train = $TRAIN }
model = { name = "lenet5" }
optimizer = { lr = 0.05 }
train = { epochs = ${2:-20}, eval = { train = $EVAL, test = $EVAL } }
[[probe]]
name = "path"
kind = "path"
alphas = 5
splits = { train = $EVAL, test = $EVAL }
TOML
}

runs() { is 1 "SELECT count(*) > 0 FROM attempt WHERE state = 'running'"; }
has_trial() { [ -n "$(trial_of "$1")" ]; }
# The process is not there any more; one that nobody has waited for is not either.
is_gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.*Z' "/proc/$1/status"; }
nobody_of_group() { ! pgrep -g "$1" -r R,S,D,T >/dev/null; }

# running_on WORKER: its trial is there; the process in $TRIAL.
running_on() {
    wait_for runs
    wait_for has_trial "$1"
    TRIAL=$(trial_of "$1")
}

@test "T3 SIGKILL at a worker: its trial dies with it, and the job is tried again" {
    write_one
    serve --lease 2 --beat 300
    worker one
    coord submit "$DIR/grid.toml"
    running_on "$WORKER"
    # A trial leads a group of its own, and starts nobody else.
    [ "$(ps -o pgid= -p "$TRIAL" | tr -d ' ')" = "$TRIAL" ]
    [ -z "$(cat "/proc/$TRIAL/task/$TRIAL/children")" ]
    kill -KILL "$WORKER"
    wait_for is_gone "$TRIAL"
    wait_for nobody_of_group "$TRIAL"
    worker two
    wait_for is 2 "SELECT attempt FROM job WHERE kind = 'train' AND state = 'running'"
    is "worker-lost" "SELECT cause FROM attempt WHERE attempt = 1 AND state = 'lost'"
    coord cancel all
    invariants_hold
}

@test "N11 a worker that is killed is known to be dead at once, whatever its lease" {
    write_one
    serve --lease 60 --beat 300
    worker one
    coord submit "$DIR/grid.toml"
    running_on "$WORKER"
    local killed_ms
    killed_ms=$(date +%s%3N)
    kill -KILL "$WORKER"
    wait_for is "worker-lost" "SELECT cause FROM attempt WHERE state = 'lost'"
    is 1 "SELECT ended_ms - $killed_ms < 10000 FROM attempt WHERE state = 'lost'"
    coord cancel all
    invariants_hold
}

@test "N11 a worker whose connection breaks for a moment keeps what it runs" {
    write_one
    serve --lease 60 --beat 300
    "$TOOLS/chaos/proxy" "${ENDPOINT##*:}" 300 >"$DIR/port" 3>&- &
    PROXY=$!
    PIDS+=("$PROXY")
    wait_for test -s "$DIR/port"
    ENDPOINT=tcp://127.0.0.1:$(cat "$DIR/port")
    worker one --key "$COORD_DIR/keys/worker.key"
    coord submit "$DIR/grid.toml"
    running_on "$WORKER"
    kill -HUP "$PROXY"
    wait_for grep -q "came back: .* 1 attempts in hand" "$DIR/serve.log"
    is "1|1" "SELECT count(*) || '|' || sum(state = 'running') FROM attempt"
    coord cancel all
    invariants_hold
}

@test "T4 a worker that was stopped for longer than its lease comes back: fenced" {
    write_one 1 2
    serve --lease 2 --beat 300
    worker stopped
    STOPPED=$WORKER
    coord submit "$DIR/grid.toml"
    running_on "$STOPPED"
    # The daemon alone: its trial ends meanwhile, and the result lies in the pipe.
    kill -STOP "$STOPPED"
    wait_for is lost "SELECT state FROM worker WHERE pid = $STOPPED"
    worker other
    wait_for is 2 "SELECT count(*) FROM result"
    sql "SELECT * FROM result ORDER BY job" >"$DIR/before"
    kill -CONT "$STOPPED"
    wait_for is 2 "SELECT count(*) FROM worker WHERE state = 'connected'"
    wait_for grep -qE 'superseded|stopping|not the job' "$DIR/worker-stopped.log"
    sql "SELECT * FROM result ORDER BY job" >"$DIR/after"
    cmp "$DIR/before" "$DIR/after"
    is 1 "SELECT count(*) FROM attempt WHERE state = 'done' AND job = 1"
    is "worker-lost" "SELECT cause FROM attempt WHERE job = 1 AND attempt = 1"
    invariants_hold
}

@test "T20 cancel while it is ready, starting, running, finishing, and nobody is there" {
    write_one 2 400 # it must last longer than a client waits
    serve --lease 2 --beat 200
    # Ready, and nobody to run it: its probe is skipped with it.
    coord submit "$DIR/grid.toml"
    coord cancel 1
    is cancelled "SELECT state FROM job WHERE id = 1"
    is skipped "SELECT DISTINCT j.state FROM job j JOIN dep d ON d.job = j.id WHERE d.needs = 1"
    # Starting: the moment that it was handed out.
    worker one
    wait_for is running "SELECT state FROM job WHERE id = 2"
    coord cancel 2
    idle() { [ -z "$(trial_of "$WORKER")" ]; }
    wait_for idle
    # Running, and its process does not hear a SIGTERM: stopped, as one in the kernel is.
    coord retry 1
    running_on "$WORKER"
    kill -STOP "$TRIAL"
    coord cancel 1
    wait_for is_gone "$TRIAL"
    # The coordinator is away: a sentence and exit 3. It was not carried out.
    coord retry 2
    running_on "$WORKER"
    kill -KILL "$SERVE"
    wait "$SERVE" || true
    run coord cancel 2
    [ "$status" -eq 3 ]
    BIND=$ENDPOINT serve --lease 2 --beat 200
    is running "SELECT state FROM job WHERE id = 2"
    coord cancel 2
    wait_for is_gone "$TRIAL"
    invariants_hold
}

@test "T20 cancel while results are on their way: each is done or cancelled, once" {
    cat >"$DIR/nulls.toml" <<'TOML'
[sweep]
name = "nulls"
seeds = 600
[base]
data = { name = "spiral" }
model = { name = "mlp", widths = [4] }
train = { epochs = 1 }
TOML
    serve
    "$TOOLS/soak/nulls" --connect "$ENDPOINT" --key "$COORD_DIR/keys/worker.key" \
        --count 4 --slots 4 --ahead 4 --run 2 >"$DIR/nulls.log" 2>&1 3>&- &
    NULLS=$!
    PIDS+=("$NULLS")
    coord submit "$DIR/nulls.toml"
    for round in {1..10}; do
        first=$((round * 50))
        coord cancel "$first-$((first + 40))" || true
        coord retry --where "state = 'cancelled'" || true
    done
    wait_for is 600 "SELECT count(*) FROM job WHERE state = 'done'"
    invariants_hold
    is 600 "SELECT count(*) FROM result"
}

@test "T21 a run fails, is tried again and ends well: what needs it comes back" {
    write_one 1 1
    serve
    "$TOOLS/soak/nulls" --connect "$ENDPOINT" --key "$COORD_DIR/keys/worker.key" --fail \
        >"$DIR/nulls.log" 2>&1 3>&- &
    NULLS=$!
    PIDS+=("$NULLS")
    coord submit "$DIR/grid.toml"
    wait_for is failed "SELECT state FROM job WHERE kind = 'train'"
    is skipped "SELECT state FROM job WHERE kind = 'probe'"
    kill -TERM "$NULLS"
    wait "$NULLS"
    worker one
    coord retry --where "state = 'failed'"
    wait_for is 2 "SELECT count(*) FROM job WHERE state = 'done'"
    is "2,1" "SELECT (SELECT attempt FROM job WHERE kind = 'train'),
        (SELECT attempt FROM job WHERE kind = 'probe')"
    is 1 "SELECT count(*) FROM event WHERE event = 'revive'"
    invariants_hold
}

@test "T21 the file of a state that a probe needs is gone: it fails, and says so" {
    write_one 1 1
    sed -i '/^\[\[probe/,$d' "$DIR/grid.toml"
    serve
    worker one
    coord submit "$DIR/grid.toml" --wait
    kill -TERM "$WORKER"
    wait "$WORKER"
    state=$(sql "SELECT hash FROM checkpoint WHERE name = 'final'")
    find "$COORD_DIR/artifacts" -name "*${state: -20}*" -delete
    rm -rf "$DIR/cache-one"
    write_one 1 1
    worker two
    run coord submit "$DIR/grid.toml" --wait
    [ "$status" -eq 1 ]
    is "failed,data" "SELECT state, cause FROM job WHERE kind = 'probe'"
    sql "SELECT message FROM failures" | tee "$DIR/said"
    grep -qi "${state:0:12}" "$DIR/said"
    invariants_hold
}
