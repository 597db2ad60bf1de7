#!/usr/bin/env bats
# coord doctor says what is wrong with a set-up, and changes nothing.

load common.bash

# line CHECK: what it says of one thing.
line() { coord doctor | grep -A 1 -E "^[a-zA-Z]+ +$1 "; }

@test "doctor: a new directory, then one that is served, is well" {
    run coord doctor
    [ "$status" -eq 0 ]
    [[ $output == *"none serves this directory"* ]]
    [[ $output == *"BLAS"* ]]
    serve
    run coord doctor
    [ "$status" -eq 0 ]
    [[ $output == *"pid $SERVE, version "* ]]
    [[ $output == *"2 may connect, 2 key files here"* ]]
    [[ $output == *"0 jobs"*"sound"* ]]
    [[ $output != *FAIL* ]]
    [ "$(coord --json doctor | tr ',' '\n' | grep -c '"level": "ok"')" = 8 ]
}

@test "doctor: what is wrong is a FAIL with what to do, and exit 1" {
    serve
    chmod 644 "$COORD_DIR/keys/worker.key"
    run line keys
    [[ $output == *FAIL*"chmod 600"* ]]
    run coord doctor
    [ "$status" -eq 1 ]
    chmod 600 "$COORD_DIR/keys/worker.key"

    cp "$COORD_DIR/keys/worker.key" "$COORD_DIR/keys/client.key" # not a client's
    COORD_DIR=$DIR/other coord keygen >/dev/null
    COORD_KEY=$DIR/other/keys/client.key run line coordinator
    [[ $output == *FAIL*"does not have the coordinator key"* ]]

    COORD_DATA=$DIR/nowhere run line data
    [[ $output == *FAIL*"$DIR/nowhere"* ]]
    mkdir -p "$DIR/data/cifar10"
    : >"$DIR/data/cifar10/test_batch.bin"
    COORD_DATA=$DIR/data run line data
    [[ $output == *FAIL*"cifar10: 1 of 6 files"* ]]

    OPENBLAS_CORETYPE=Prescott run line worker
    [[ $output == *warn*"several times slower"* ]]

    chmod o+w "$COORD_DIR"
    run line directory
    [[ $output == *FAIL*"chmod o-w"* ]]
}

@test "doctor: a coordinator that hangs, and a database that is none" {
    serve
    kill -STOP "$SERVE"
    run line coordinator
    [[ $output == *FAIL*"pid $SERVE holds the directory, and does not answer"* ]]
    kill -KILL "$SERVE"
    wait "$SERVE" || true
    rm -f "$COORD_DIR/coord.db-wal" "$COORD_DIR/coord.db-shm"
    head -c 8192 /dev/urandom >"$COORD_DIR/coord.db"
    run line database
    [[ $output == *FAIL* ]]
}
