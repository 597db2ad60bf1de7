#!/usr/bin/env bats
# What people look at while a sweep runs and after: explain, events, logs, db.

load common.bash

all_done() { is 0 "SELECT count(*) FROM job WHERE state <> 'done'"; }
why() { coord explain "$1"; }

@test "operate: explain says why, in every state" {
    write_grid
    serve --beat 200
    coord submit "$DIR/grid.toml"
    run why 1
    [[ $output == *"is ready"*"no worker is connected"* ]]
    probe=$(sql "SELECT min(id) FROM job WHERE kind = 'probe'")
    run why "$probe"
    [[ $output == *"is waiting"*"it needs '"*"of job"*"which is ready"* ]]
    coord pause flow --reason "not yet"
    run why 1
    [[ $output == *"paused (not yet): 'coord resume flow'"* ]]
    coord cancel 1 --reason "a slip"
    run why 1
    [[ $output == *"is cancelled"*"somebody did: a slip"*"coord retry 1"* ]]
    skipped=$(sql "SELECT min(id) FROM job WHERE state = 'skipped'")
    run why "$skipped"
    [[ $output == *"is skipped"*"was cancelled"*"'coord retry 1' revives it as well"* ]]
    [ "$(coord --json explain 1 | tr -d '\n' | grep -c '"state": "cancelled"')" = 1 ]
    coord set flow --max-running 1
    coord resume flow
    worker one --slots 2
    wait_for is 1 "SELECT count(*) FROM job WHERE state = 'running'"
    run why "$(sql "SELECT id FROM job WHERE state = 'running'")"
    [[ $output == *"is running"*"attempt 1 runs on"* ]] || [[ $output == *"is done"* ]]
    kill -TERM "$SERVE"
    wait "$SERVE"
    ready=$(sql "SELECT max(id) FROM job WHERE state = 'ready'")
    run why "$ready"
    [[ $output == *"no coordinator runs"* ]]
    run why 999999
    [ "$status" -eq 2 ]
}

@test "operate: events go on with -f, as JSON a line each" {
    write_grid
    serve --beat 200
    "$COORD_BIN/coord" --json events -f >"$DIR/events.json" 3>&- &
    PIDS+=($!)
    coord submit "$DIR/grid.toml"
    wait_for grep -q '"event": "submit"' "$DIR/events.json"
    coord cancel 1 --reason 'he said "no", twice'
    wait_for grep -qF '"detail": "he said \"no\", twice"' "$DIR/events.json"
    wait_for grep -qF '"event": "cancel", "cause": null, "detail": "jobs 1: he said' \
        "$DIR/events.json"
    # Each event once, and all of them.
    wait_for is "$(grep -c '"job": [0-9]' "$DIR/events.json")" "SELECT count(*) FROM event"
    run coord events --job 1 --limit 2
    [ "${#lines[@]}" -eq 3 ]
    [[ ${lines[2]} == *"cancel"*'he said "no", twice' ]]
    [ "$(coord --csv events flow --limit 0 | tail -n +2 | wc -l)" = \
        "$(sql "SELECT count(*) FROM event")" ]
}

@test "operate: logs -f shows every attempt as it ends, and ends with the job" {
    write_grid
    serve --beat 200
    coord submit "$DIR/grid.toml"
    "$COORD_BIN/coord" logs -f 1 >"$DIR/log" 2>"$DIR/log.err" 3>&- &
    LOGS=$!
    PIDS+=("$LOGS")
    worker one
    wait "$LOGS"
    grep -q 'attempt 1: done' "$DIR/log.err"
    [ "$(coord logs 1 2>/dev/null)" = "$(cat "$DIR/log")" ]
}

@test "operate: logs -f shows what a job prints as it prints it" {
    write_grid
    sed -i 's/epochs = 3/epochs = 20000/' "$DIR/grid.toml"
    serve --beat 200
    coord submit "$DIR/grid.toml"
    worker one
    "$COORD_BIN/coord" logs -f 1 >"$DIR/log" 2>"$DIR/log.err" 3>&- &
    LOGS=$!
    PIDS+=("$LOGS")
    wait_for grep -q '^epoch 2/' "$DIR/log"
    is running "SELECT state FROM job WHERE id = 1"
    [ -z "$(coord logs 1 2>/dev/null)" ]
    wait_for grep -q '^epoch 4/' "$DIR/log"
    # The attempt ends, and its rest is shown: every line once.
    kill -KILL "$(trial_of "$WORKER")"
    wait_for grep -q 'attempt 1: failed, signal' "$DIR/log.err"
    coord cancel 1
    wait "$LOGS"
    coord logs 1 --attempt 1 >"$DIR/whole" 2>/dev/null
    [ "$(wc -l <"$DIR/whole")" -ge 4 ]
    [ "$(head -n "$(wc -l <"$DIR/whole")" "$DIR/log")" = "$(cat "$DIR/whole")" ]
    ! grep -q 'malformed' "$DIR/worker-one.log" "$DIR/serve.log"
}

@test "operate: T26 a backup while the sweep runs is sound, and goes on as a directory" {
    write_grid
    serve --beat 200
    worker one --slots 2
    coord submit "$DIR/grid.toml"
    wait_for is 1 "SELECT count(*) > 1 FROM job WHERE state = 'done'"
    mkdir "$DIR/restored"
    coord db backup "$DIR/restored/coord.db"
    run coord db backup "$DIR/restored/coord.db"
    [ "$status" -eq 2 ]
    coord db check "$DIR/restored/coord.db"
    wait_for all_done
    coord db check
    # The copy is as of its moment, and a coordinator goes on from it.
    cp -r "$COORD_DIR/artifacts" "$DIR/restored/"
    rm -f "$DIR/restored/coord.db-"*
    results >"$DIR/whole.csv"
    COORD_DIR=$DIR/restored coord run "$DIR/grid.toml" --workers 2 >/dev/null
    COORD_DIR=$DIR/restored results >"$DIR/restored.csv"
    cmp "$DIR/whole.csv" "$DIR/restored.csv"
    COORD_DIR=$DIR/restored coord db check
}

@test "operate: T12 damage is found and said" {
    write_grid
    serve --beat 200
    coord submit "$DIR/grid.toml"
    kill -TERM "$SERVE"
    wait "$SERVE"
    size=$(stat -c %s "$COORD_DIR/coord.db")
    for page in 5 20 40; do
        head -c 2000 /dev/urandom |
            dd of="$COORD_DIR/coord.db" bs=1 seek=$((page * 4096)) conv=notrunc status=none
    done
    [ "$(stat -c %s "$COORD_DIR/coord.db")" = "$size" ]
    run coord db check
    [ "$status" -eq 1 ]
    run coord doctor
    [ "$status" -eq 1 ]
    [[ $output == *FAIL*database* ]]
}
