#!/usr/bin/env bats
# Who may connect, and what those are told who may not: over loopback, which needs
# keys as every tcp does. Nobody waits for ever: a refusal is exit code 4.

load common.bash

# A key of another coordinator, whose server key is replaced by that of ours: it is
# well-formed and on nobody's list.
stranger() { # stranger ROLE FILE
    COORD_DIR=$DIR/elsewhere coord keygen "--$1" stranger >"$DIR/path"
    grep -v '^server' "$(cat "$DIR/path")" >"$2"
    grep '^server' "$COORD_DIR/keys/worker.key" >>"$2"
    chmod 600 "$2"
    rm -r "$DIR/elsewhere"
}

# The environment and the descriptors of a trial, which may end at any time.
look_at_trial() {
    local trial
    trial=$(pgrep -P "$WORKER" | head -n 1)
    tr '\0' '\n' <"/proc/$trial/environ" >"$DIR/environ" &&
        grep -q '^COORD_DIR=' "$DIR/environ" &&
        readlink "/proc/$trial/fd"/* >"$DIR/fds" && grep -q pipe: "$DIR/fds"
}
has_trial() { pgrep -P "$WORKER" >/dev/null; }

@test "keys: the first start over tcp makes them, and says how to use them" {
    serve
    grep -q "scp $COORD_DIR/keys/worker.key" "$DIR/serve.log"
    grep -q -- "--key worker.key" "$DIR/serve.log"
    [ "$(stat -c %a "$COORD_DIR/keys")" = 700 ]
    for file in coordinator.key worker.key client.key allowed; do
        [ "$(stat -c %a "$COORD_DIR/keys/$file")" = 600 ]
    done
    [ "$(coord --csv keygen | tail -n +2 | cut -d, -f1,2 | sort)" = \
        "$(printf 'client,client\nworker,worker')" ]
    before=$(cat "$COORD_DIR/keys/coordinator.key")
    kill -TERM "$SERVE"
    wait "$SERVE"
    serve
    [ "$before" = "$(cat "$COORD_DIR/keys/coordinator.key")" ]
    [ "$(grep -c "scp" "$DIR/serve.log")" = 1 ]
}

@test "keys: no key is exit 4 and names the command that makes one" {
    write_grid
    serve
    cp "$COORD_DIR/endpoint" "$DIR/endpoint"
    COORD_DIR=$DIR/nowhere run "$COORD_BIN/coord-worker" --connect "$ENDPOINT"
    [ "$status" -eq 4 ]
    [[ $output == *"coord keygen --worker"* ]]
    rm "$COORD_DIR/keys/client.key"
    run coord submit "$DIR/grid.toml"
    [ "$status" -eq 4 ]
    [[ $output == *"coord keygen --client"* ]]
}

@test "keys: T10 a wrong key is refused in words, exit 4" {
    write_grid
    serve
    stranger worker "$DIR/stranger.key"
    run "$COORD_BIN/coord-worker" --connect "$ENDPOINT" --key "$DIR/stranger.key" \
        --cache "$DIR/cache"
    [ "$status" -eq 4 ]
    [[ $output == *"refuses this key"* ]]
    COORD_KEY=$DIR/stranger.key run coord submit "$DIR/grid.toml"
    [ "$status" -eq 4 ]
    [[ $output == *"refuses this key"* ]]
    grep -q "refused the key .* from 127.0.0.1" "$DIR/serve.log"
    coord submit "$DIR/grid.toml" # others are served all the while
}

@test "keys: T10 the wrong coordinator is noticed, exit 4" {
    serve
    COORD_DIR=$DIR/elsewhere coord keygen >/dev/null
    run "$COORD_BIN/coord-worker" --connect "$ENDPOINT" --cache "$DIR/cache" \
        --key "$DIR/elsewhere/keys/worker.key"
    [ "$status" -eq 4 ]
    [[ $output == *"does not have the coordinator key"* ]]
}

@test "keys: the role is the key's: a worker does not submit, a client does not work" {
    write_grid
    serve
    COORD_KEY=$COORD_DIR/keys/worker.key run coord submit "$DIR/grid.toml"
    [ "$status" -eq 4 ]
    [[ $output == *"it may not SUBMIT"* ]]
    # Also when the key file says otherwise.
    sed 's/^role .*/role worker/' "$COORD_DIR/keys/client.key" >"$DIR/liar.key"
    chmod 600 "$DIR/liar.key"
    run "$COORD_BIN/coord-worker" --connect "$ENDPOINT" --key "$DIR/liar.key" \
        --cache "$DIR/cache"
    [ "$status" -eq 4 ]
    [[ $output == *"it may not HELLO"* ]]
    [ "$(sql "SELECT (SELECT count(*) FROM worker) + (SELECT count(*) FROM sweep)")" = 0 ]
}

@test "keys: a revoked worker is put out at once, and its jobs run elsewhere" {
    write_grid
    serve --beat 200 --lease 2
    coord keygen --worker bad >"$DIR/path"
    worker bad --key "$(cat "$DIR/path")"
    BAD=$WORKER
    coord submit "$DIR/grid.toml"
    wait_for has_trial
    cp "$(cat "$DIR/path")" "$DIR/bad.key"
    coord keygen --revoke bad
    code=0
    wait "$BAD" || code=$?
    [ "$code" -eq 4 ]
    grep -q "the key was revoked" "$DIR/worker-bad.log"
    # It does not come back with a copy of the key either.
    run "$COORD_BIN/coord-worker" --connect "$ENDPOINT" --key "$DIR/bad.key" \
        --cache "$DIR/cache"
    [ "$status" -eq 4 ]
    [[ $output == *"refuses this key"* ]]
    worker good
    wait_for is 0 "SELECT count(*) FROM job WHERE state <> 'done'"
    invariants_hold
}

@test "keys: a file that others can read is an error that says chmod" {
    write_grid
    serve
    chmod 644 "$COORD_DIR/keys/worker.key" "$COORD_DIR/keys/client.key"
    run "$COORD_BIN/coord-worker" --connect "$ENDPOINT"
    [ "$status" -eq 4 ]
    [[ $output == *"worker.key can be read by others (mode 644): chmod 600"* ]]
    run coord submit "$DIR/grid.toml"
    [ "$status" -eq 4 ]
    [[ $output == *"client.key can be read by others (mode 644): chmod 600"* ]]
    kill -TERM "$SERVE"
    wait "$SERVE"
    chmod 640 "$COORD_DIR/keys/coordinator.key"
    run coord serve --bind 'tcp://127.0.0.1:*'
    [ "$status" -eq 4 ]
    [[ $output == *"coordinator.key can be read by others (mode 640): chmod 600"* ]]
}

@test "keys: a trial has neither the key's place nor a socket" {
    write_grid
    serve
    COORD_KEY=$COORD_DIR/keys/worker.key worker one
    coord submit "$DIR/grid.toml"
    wait_for has_trial
    wait_for look_at_trial
    run grep -q COORD_KEY "$DIR/environ"
    [ "$status" -eq 1 ]
    run grep -qE 'keys/|socket:' "$DIR/fds"
    [ "$status" -eq 1 ]
}

@test "keys: coord run needs none, and its socket is its owner's alone" {
    write_grid
    "$COORD_BIN/coord" run "$DIR/grid.toml" --workers 1 >/dev/null 2>&1 3>&- &
    PIDS+=($!)
    wait_for test -S "$COORD_DIR/run.sock"
    [ "$(stat -c %a "$COORD_DIR/run.sock" | tail -c 3)" = 00 ]
    [ ! -e "$COORD_DIR/keys" ]
    kill -INT "${PIDS[-1]}"
    wait "${PIDS[-1]}" || true
}

@test "sql: a statement changes, makes and loads nothing, not in --where either" {
    write_grid
    serve
    coord submit "$DIR/grid.toml"
    cd "$DIR"
    before=$(sql "SELECT count(*) || max(id) FROM job")
    for statement in "DELETE FROM job" "ATTACH 'new.db' AS n" "VACUUM INTO 'copy.db'" \
        "SELECT load_extension('x.so')" "SELECT writefile('new.db', 'x')" \
        "CREATE TEMP TABLE t (x)" "PRAGMA journal_mode = DELETE" \
        "SELECT 1; DELETE FROM job" "PRAGMA wal_checkpoint(TRUNCATE)"; do
        run coord sql "$statement"
        [ "$status" -ne 0 ]
    done
    run coord cancel all --where "1); DELETE FROM job; --"
    [ "$status" -ne 0 ]
    run coord cancel all --where "load_extension('x.so')"
    [ "$status" -ne 0 ]
    [ ! -e new.db ] && [ ! -e copy.db ]
    [ "$before" = "$(sql "SELECT count(*) || max(id) FROM job")" ]
    is 0 "SELECT count(*) FROM job WHERE state = 'cancelled'"
}

@test "terminals: nothing that a database holds talks to one; files get every byte" {
    write_grid
    serve
    esc="SELECT char(27) || '[2J' || char(155) || 'x' AS x"
    [ "$(coord --csv sql "$esc" | tail -n 1)" = $'\e[2J\u009bx' ]
    for form in "" --csv --json; do
        script -qec "'$COORD_BIN/coord' $form sql \"$esc\"" /dev/null >"$DIR/seen"
        grep -q '2J' "$DIR/seen"
        ! grep -q -e $'\e\[2J' -e $'\u009b' "$DIR/seen"
    done
    run coord submit $'no\e[31mfile'
    [[ $output == *"no [31mfile"* ]]
}

@test "state: the directory is its owner's alone" {
    rmdir "$COORD_DIR"
    umask 022
    serve
    [ "$(stat -c %a "$COORD_DIR")" = 700 ]
}
