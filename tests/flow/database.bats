#!/usr/bin/env bats
# The database as a file: checked, put back from a copy, and rid of what nobody needs.

load common.bash

all_done() { is 0 "SELECT count(*) FROM job WHERE state <> 'done'"; }

# Two runs that keep a state in between besides, and their paths.
small_grid() { spiral_grid small 2 '"init", "final", "epoch:1"'; }

# artifact HASH: its file.
artifact() { echo "$COORD_DIR/artifacts/${1:0:2}/$1"; }
stored() { sql "SELECT hash FROM checkpoint WHERE stored AND name = '$1' ORDER BY job LIMIT 1"; }

@test "database: T26 a backup is put back, and the sweep goes on from there" {
    small_grid
    coord run "$DIR/grid.toml" --workers 1 >/dev/null
    results >"$DIR/first.csv"
    coord db backup "$DIR/first.db"
    sed -i 's/seeds = 2/seeds = 3/' "$DIR/grid.toml"
    coord run "$DIR/grid.toml" --workers 1 >/dev/null
    results >"$DIR/second.csv"

    # Not while somebody serves.
    serve
    run coord db restore "$DIR/first.db"
    [ "$status" -ne 0 ]
    [[ $output == *"$SERVE"* ]]
    kill -TERM "$SERVE"
    wait "$SERVE"
    coord db check

    coord db restore "$DIR/first.db"
    coord db check --artifacts
    invariants_hold
    results >"$DIR/restored.csv"
    cmp "$DIR/first.csv" "$DIR/restored.csv"
    # The old one is beside it, whole.
    old=$(ls "$COORD_DIR"/coord.db-before-*[0-9])
    coord db check "$old"
    coord run "$DIR/grid.toml" --workers 1 >/dev/null
    results >"$DIR/again.csv"
    cmp "$DIR/second.csv" "$DIR/again.csv"
    invariants_hold
}

@test "database: what is no sound backup changes nothing" {
    small_grid
    coord run "$DIR/grid.toml" --workers 1 >/dev/null
    results >"$DIR/before.csv"
    coord db backup "$DIR/good.db"

    cp "$DIR/good.db" "$DIR/rule.db"
    echo "no database" >"$DIR/text.db"
    cp "$DIR/good.db" "$DIR/torn.db"
    head -c 4096 /dev/zero |
        dd of="$DIR/torn.db" bs=4096 seek=9 conv=notrunc status=none
    truncate -s -8192 "$DIR/torn.db"
    for bad in "$DIR/text.db" "$DIR/torn.db" "$DIR/none.db"; do
        run coord db restore "$bad"
        echo "$output"
        [ "$status" -ne 0 ]
    done
    results >"$DIR/after.csv"
    cmp "$DIR/before.csv" "$DIR/after.csv"
    [ -z "$(ls "$COORD_DIR" | grep -e restored -e before)" ]
}

@test "database: T2 a restore that dies leaves the old database or the new one" {
    small_grid
    coord run "$DIR/grid.toml" --workers 1 >/dev/null
    results >"$DIR/old.csv"
    coord db backup "$DIR/old.db"
    sed -i 's/seeds = 2/seeds = 3/' "$DIR/grid.toml"
    coord run "$DIR/grid.toml" --workers 1 >/dev/null
    results >"$DIR/new.csv"
    for point in before between after; do
        rm -f "$COORD_DIR"/coord.db-before-*
        COORD_CRASH=restore.$point:1 run coord db restore "$DIR/old.db"
        [ "$status" -eq 137 ]
        coord db check
        results >"$DIR/is.csv"
        cmp "$DIR/is.csv" "$DIR/new.csv" || cmp "$DIR/is.csv" "$DIR/old.csv"
    done
    rm -f "$COORD_DIR"/coord.db-before-*
    coord db restore "$DIR/old.db"
    results >"$DIR/is.csv"
    cmp "$DIR/is.csv" "$DIR/old.csv"

    for point in before after; do
        rm -f "$DIR/copy.db"
        COORD_CRASH=backup.$point:1 run coord db backup "$DIR/copy.db"
        [ "$status" -eq 137 ]
        [ ! -e "$DIR/copy.db" ] || coord db check "$DIR/copy.db"
    done
}

@test "database: check --artifacts names a file that is damaged, cut or gone" {
    small_grid
    coord run "$DIR/grid.toml" --workers 1 >/dev/null
    coord db check --artifacts
    final=$(artifact "$(stored final)")
    cp "$final" "$DIR/kept"
    printf '\377' | dd of="$final" bs=1 seek=200 conv=notrunc status=none
    coord db check
    run coord db check --artifacts
    [ "$status" -eq 1 ]
    [[ $output == *"is damaged"*"state 'final' of job"* ]]
    truncate -s 100 "$final"
    run coord db check --artifacts
    [[ $output == *"has 100 bytes"* ]]
    rm "$final"
    run coord db check --artifacts
    [ "$status" -eq 1 ]
    [[ $output == *"is missing"* ]]
    cp "$DIR/kept" "$final"
    coord db check --artifacts
    [ "$(coord db check --sql | coord --csv sql - | tail -n 1 | tr -d '0,')" = "" ]
}

@test "database: gc removes what no result needs, and nothing else" {
    small_grid
    coord run "$DIR/grid.toml" --workers 1 >/dev/null
    results >"$DIR/before.csv"
    coord artifact get 1 final -o "$DIR/mine.safetensors"
    run coord db gc
    [ "$status" -eq 0 ]
    [[ $output == *"removed 0 artifacts"* ]]

    # A file that somebody handed over, one that only lies there, and a state of a
    # worker that died in between.
    head -c 8 /dev/zero >"$DIR/empty"
    printf '\x02\0\0\0\0\0\0\0{}' >"$DIR/strange"
    imported=$(coord artifact put "$DIR/strange")
    orphan=0123456789abcdef0123456789abcdef
    mkdir -p "$COORD_DIR/artifacts/01"
    cp "$DIR/mine.safetensors" "$(artifact $orphan)"
    strange=0123456789abcdef0123456789abcde0
    cp "$DIR/strange" "$(artifact $strange)"

    run coord db gc --dry-run
    echo "$output"
    [[ $output == *"$orphan"*"in no row"*"would remove 1 artifacts"* ]]
    [ -e "$(artifact $orphan)" ]
    serve
    run coord db gc
    [ "$status" -ne 0 ]
    kill -TERM "$SERVE"
    wait "$SERVE"
    # The coordinator has learned of the file meanwhile.
    is 1 "SELECT count(*) FROM import WHERE name LIKE '%strange'"
    coord db gc
    [ ! -e "$(artifact $orphan)" ]
    [ -e "$(artifact $strange)" ]
    [ -e "$(artifact "$imported")" ]
    coord db check --artifacts
    invariants_hold

    # States of runs, of which every reader is done.
    coord db gc --states
    invariants_hold
    coord db check --artifacts
    is 0 "SELECT count(*) FROM checkpoint WHERE stored"
    [ -e "$(artifact "$imported")" ]
    results >"$DIR/after.csv"
    # All but whether states are stored is as before.
    cmp <(sed 's/,1$/,0/' "$DIR/before.csv" | cut -d, -f1-4 | sort) \
        <(sed 's/,1$/,0/' "$DIR/after.csv" | cut -d, -f1-4 | sort)
    run coord artifact get 1 final -o "$DIR/gone"
    [ "$status" -ne 0 ]
    [[ $output == *"removed by 'coord db gc'"* ]]

    # A probe that asks for one of them is skipped, and says why.
    cat >>"$DIR/grid.toml" <<'TOML'
[[probe]]
name = "later"
kind = "path"
alphas = 5
splits = { train = 20, test = 20 }
TOML
    run coord run "$DIR/grid.toml" --workers 1
    [ "$status" -eq 1 ]
    is 2 "SELECT count(*) FROM job WHERE state = 'skipped'
        AND reason LIKE '%was removed by ''coord db gc''%'"
    invariants_hold
}

@test "database: gc keeps what a job that waits needs, and drops merged parts" {
    small_grid
    cat >>"$DIR/grid.toml" <<'TOML'
split = 2
TOML
    sed -i 's/alphas = 3/alphas = 9/' "$DIR/grid.toml"
    serve
    worker one
    coord submit "$DIR/grid.toml"
    wait_for is 1 "SELECT count(*) > 0 FROM job WHERE kind = 'train' AND state = 'done'"
    kill -KILL "$SERVE"
    wait "$SERVE" || true
    coord db gc --states
    coord db check --artifacts
    BIND=$ENDPOINT serve
    wait_for all_done
    invariants_hold
    kill -TERM "$SERVE"
    wait "$SERVE"
    is 4 "SELECT count(*) FROM checkpoint WHERE name = 'part' AND stored"
    coord db gc
    coord db check --artifacts
    is 0 "SELECT count(*) FROM checkpoint WHERE name = 'part' AND stored"
    invariants_hold
}

@test "database: durability is said, and kept" {
    serve --durability full
    [[ $(coord status) == *"durability full"* ]]
    [[ $(coord doctor || true) == *"durability full"* ]]
    kill -TERM "$SERVE"
    wait "$SERVE"
    is 1 "SELECT count(stopped_ms) FROM coordinator"
    serve
    [[ $(coord status) == *"durability normal"* ]]
    [ "$(coord --json status | grep -c '"durability":"normal"')" = 1 ]
    kill -KILL "$SERVE"
    wait "$SERVE" || true
    serve
    grep -q "not told to stop" "$DIR/serve.log"
    run coord serve --durability most
    [ "$status" -eq 2 ]
}

# Stop $READER with one of the log's read marks in its hands: the locks on bytes 123 to
# 127 of the shared memory (SQLite's walformat.html, "WAL Locks"). It takes and drops
# them some times before the query.
stopped_while_it_reads() {
    kill -STOP "$READER"
    wait_for grep -q '^State:.T' "/proc/$READER/status"
    awk -v pid="$READER" -v file=":$(stat -c %i "$COORD_DIR/coord.db-shm")$" \
        '$5 == pid && $6 ~ file && $7 >= 123 && $7 <= 127 { found = 1 }
        END { exit !found }' /proc/locks && return
    kill -CONT "$READER"
    return 1
}

@test "database: T25 a reader that does not end: said, and nobody waits for it" {
    small_grid
    serve --log-size 0 --beat 200
    worker one
    coord submit "$DIR/grid.toml"
    wait_for all_done
    "$COORD_BIN/coord" sql "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)
        SELECT count(*) FROM c, event" >/dev/null 2>&1 3>&- &
    READER=$!
    PIDS+=("$READER")
    wait_for stopped_while_it_reads
    sed -i 's/seeds = 2/seeds = 3/' "$DIR/grid.toml"
    coord submit "$DIR/grid.toml" --wait
    wait_for grep -q "cannot be cut while somebody reads" "$DIR/serve.log"
    [ -s "$COORD_DIR/coord.db-wal" ]
    kill -KILL "$READER"
    wait "$READER" || true
    is_cut() { [ ! -s "$COORD_DIR/coord.db-wal" ]; }
    wait_for is_cut
    grep -q "log is short again" "$DIR/serve.log"
    invariants_hold
}
