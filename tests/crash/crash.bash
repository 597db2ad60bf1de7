# What the crash tests share beside tests/flow/common.bash: a sweep of small real jobs
# of which somebody kills the processes at places and times of their choice
# (common/crash.h), over and over, and what must hold after each time.

# What `serve` is given besides; a log of no size is copied back whenever it is quiet.
SERVE_OPTIONS=(--log-size 0)

# Two runs and their paths: states are stored, fetched, and results of both kinds come.
JOBS=4
write_small_grid() { spiral_grid crash 1 '"init", "final"'; }

# What it gives when nothing happens, for every round to be compared with.
undisturbed() {
    COORD_DIR=$DIR/undisturbed coord run "$DIR/grid.toml" --workers 1 \
        >"$DIR/report" 2>&1
    COORD_DIR=$DIR/undisturbed results >"$DIR/undisturbed.csv"
}

# begin_round: a new state directory and worker's cache.
begin_round() {
    rm -rf "$COORD_DIR" "$DIR"/cache-* "$DIR"/*.log
    mkdir "$COORD_DIR"
    BIND=ipc://$DIR/socket
    PIDS=()
}

# spawn [PLAN]: a coordinator that dies as PLAN says, in $SERVE; not waited for.
spawn() {
    COORD_CRASH=${1:-} "$COORD_BIN/coord" serve --bind "$BIND" --lease 1 --beat 400 \
        "${SERVE_OPTIONS[@]}" >>"$DIR/serve.log" 2>&1 3>&- &
    SERVE=$!
    PIDS+=("$SERVE")
}

# spawn_worker [PLAN]: the same for a worker, in $WORKER.
spawn_worker() {
    COORD_CRASH=${1:-} "$COORD_BIN/coord-worker" --connect "$BIND" --slots 2 \
        --cache "$DIR/cache-one" --checkpoint 0 --log-level debug \
        >>"$DIR/worker.log" 2>&1 3>&- &
    WORKER=$!
    PIDS+=("$WORKER")
}

has_ended() { ! kill -0 "$1" 2>/dev/null; }
all_done() { [ "$(sql 'SELECT count(*) FROM result' 2>/dev/null)" = "$JOBS" ]; }
ended_or_done() { has_ended "$1" || all_done; }

# The client asks until it has an answer, as a person would: it adds nothing twice.
submit_until_taken() {
    while [ ! -e "$DIR/over" ] &&
        ! coord submit "$DIR/grid.toml" >/dev/null 2>>"$DIR/submit.log"; do
        read -r -t 0.05 <> <(:) || true
    done
}

end_round() {
    for pid in "${PIDS[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    PIDS=()
}

# What every worker was told is committed is there, from that very attempt; what was
# done is never begun again.
acknowledged_holds() {
    grep -ho 'job=[0-9]* attempt=[0-9]*: the result accepted' "$DIR"/worker*.log |
        sed 's/job=\([0-9]*\) attempt=\([0-9]*\).*/\1,\2/' | sort -u >"$DIR/told"
    sql 'SELECT r.job, r.attempt FROM result r' | sort >"$DIR/committed"
    [ -z "$(comm -23 "$DIR/told" "$DIR/committed")" ] &&
        is 0 "SELECT count(*) FROM job j JOIN result r ON r.job = j.id
            WHERE r.attempt <> j.attempt" &&
        is 0 "SELECT count(*) FROM event s JOIN event f ON f.job = s.job AND f.id < s.id
            WHERE s.event = 'start' AND f.event = 'finish'"
}

# check_round NAME: all that must hold of a round that ended, or say which did not.
check_round() {
    if ! invariants_hold >"$DIR/said" || ! is "$JOBS" 'SELECT count(*) FROM result' ||
        ! is "$JOBS" 'SELECT count(*) FROM job' || ! acknowledged_holds ||
        ! { results >"$DIR/disturbed.csv" &&
            cmp "$DIR/undisturbed.csv" "$DIR/disturbed.csv" >>"$DIR/said"; }; then
        echo "broken: $1"
        cat "$DIR/said"
        return 1
    fi
}

# round WHO POINT:N: the sweep, with a coordinator (or worker) that dies there and is
# started again. Sets REACHED to 1 when it died, 0 when the sweep was over before.
round() {
    local who=$1 plan=$2
    REACHED=0
    rm -f "$DIR/over"
    begin_round
    if [ "$who" = coordinator ]; then
        spawn "$plan"
        spawn_worker
        dying=$SERVE
    else
        spawn
        spawn_worker "$plan"
        dying=$WORKER
    fi
    submit_until_taken &
    local submitter=$!
    wait_for ended_or_done "$dying"
    # Done is done, and may die a moment later.
    if has_ended "$dying"; then
        REACHED=1
        wait "$dying" 2>/dev/null || true
        if [ "$who" = coordinator ]; then spawn; else spawn_worker; fi
    fi
    wait_for all_done
    touch "$DIR/over"
    wait "$submitter" 2>/dev/null || true
    check_round "$who $plan"
    end_round
}

# occurrences WHO POINT [MAX]: one round each for the first, second, ... time that the
# place is reached, until the sweep is over before. Adds to ROUNDS and DEATHS.
occurrences() {
    local who=$1 point=$2 max=${3:-1000} n
    for ((n = 1; n <= max; n++)); do
        round "$who" "$point:$n" || return 1
        ROUNDS=$((ROUNDS + 1))
        DEATHS=$((DEATHS + REACHED))
        [ "$REACHED" = 1 ] || break
    done
    echo "# T2 $who $point: $((n - 1)) places" >&3
}

# wait_ms N
wait_ms() { read -r -t "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))" <> <(:) || true; }

# write_load NUMBER RUNS: so many runs that nobody ran before, and their paths.
write_load() {
    write_small_grid
    sed -i -e "s/\"crash\"/\"load-$1\"/" -e "s/seeds = 2/seeds = $2/" \
        -e "s/lr = 0.1/lr = 0.0$((1000 + $1))/" "$DIR/grid.toml"
}

# kill_at_random KILLS SEED RUNS: SIGKILL of the coordinator at so many moments while two
# workers run; sweeps of RUNS runs follow one another until it is over.
kill_at_random() {
    local kills=$1 sweeps=0 n
    RANDOM=$2
    begin_round
    spawn
    spawn_worker
    JOBS=0
    for ((n = 0; n < kills; n++)); do
        if all_done; then
            sweeps=$((sweeps + 1))
            JOBS=$((JOBS + 2 * $3))
            write_load "$sweeps" "$3"
            submit_until_taken
        fi
        wait_ms $((30 + RANDOM % 1200))
        kill -KILL "$SERVE"
        wait "$SERVE" 2>/dev/null || true
        spawn
    done
    wait_for all_done
    SWEEPS=$sweeps
    RUNS=$3
    # The same, undisturbed.
    for ((n = 1; n <= sweeps; n++)); do
        write_load "$n" "$3"
        COORD_DIR=$DIR/undisturbed coord run "$DIR/grid.toml" --workers 2 \
            >"$DIR/report" 2>&1
    done
    COORD_DIR=$DIR/undisturbed results >"$DIR/undisturbed.csv"
    check_round "T1 seed $2"
    end_round
}

# write_slow_grid RUNS: runs of about a second.
write_slow_grid() {
    write_small_grid
    sed -i -e "s/seeds = 2/seeds = $1/" -e 's/train = 60/train = 1000/' \
        -e "s/widths = \[4\]/widths = [64, 64]/" \
        -e "s/epochs = 1/epochs = ${SLOW_EPOCHS:-1000}/" "$DIR/grid.toml"
    JOBS=$((2 * $1))
}

some_run() { [ "$(sql "SELECT count(*) FROM attempt WHERE state = 'running'")" -ge "$1" ]; }

# away HOW SECONDS: the coordinator is killed, or stopped, in the middle of a sweep, and
# comes back so much later. Nobody is given up for it, and nothing is run twice.
away() {
    begin_round
    "$COORD_BIN/coord" serve --bind "$BIND" --lease 3 --beat 500 \
        >>"$DIR/serve.log" 2>&1 3>&- &
    SERVE=$!
    PIDS+=("$SERVE")
    spawn_worker
    wait_for test -e "$COORD_DIR/endpoint"
    coord submit "$DIR/grid.toml"
    wait_for some_run 2
    # The two are in hand for certain once the worker has said so.
    wait_ms 700
    if [ "$1" = killed ]; then
        kill -KILL "$SERVE"
        wait "$SERVE" 2>/dev/null || true
        wait_ms $(($2 * 1000))
        "$COORD_BIN/coord" serve --bind "$BIND" --lease 3 --beat 500 \
            >>"$DIR/serve.log" 2>&1 3>&- &
        SERVE=$!
        PIDS+=("$SERVE")
    else
        kill -STOP "$SERVE"
        wait_ms $(($2 * 1000))
        kill -CONT "$SERVE"
    fi
    wait_for all_done
    # One that was on its way to a worker may be handed out again; none that was begun.
    [ -z "$(grep -ho 'job=[0-9]* attempt=[0-9]* started' "$DIR/worker.log" |
        cut -d' ' -f1 | sort | uniq -d)" ]
    is 0 "SELECT count(*) FROM worker WHERE state = 'lost'"
    check_round "$1 for $2 s"
    end_round
}
