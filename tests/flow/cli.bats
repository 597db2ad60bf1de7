#!/usr/bin/env bats
# The command line as a person meets it: mistakes are named, full disks and closed
# pipes are noticed, and what is printed can be trusted.

load common.bash

# A sweep of a second: two runs, one of which diverges.
write_spiral() {
    cat >"$DIR/spiral.toml" <<'TOML'
[sweep]
name = "spiral"

[base]
data = { name = "spiral", train = 200 }
model = { name = "mlp", widths = [8] }
optimizer = { batch = 32 }
train = { epochs = 3, eval = { train = 200, test = 200 } }

[axes]
"optimizer.lr" = [0.1, 1e6]

[[probe]]
name = "whole"
kind = "path"
alphas = { from = -0.5, to = 1.5, n = 9 }
splits = { train = 200, test = 200 }

[[probe]]
name = "late"
kind = "path"
from = "epoch:2"
alphas = 3
splits = { train = 200, test = 200 }
TOML
}

run_spiral() {
    write_spiral
    run coord run "$DIR/spiral.toml" --workers 2
}

# says CODE PATTERN COMMAND...: the command ends with the code and a line like it.
says() {
    local code=$1 pattern=$2
    shift 2
    run coord "$@"
    echo "coord $*: $status: $output"
    [ "$status" -eq "$code" ]
    [[ $output == *$pattern* ]]
}

@test "cli: a mistake is named, with what was meant" {
    says 2 "did you mean 'report'?" rpeort
    says 2 "no option '--bogus'" --bogus
    says 2 "did you mean '--dry-run'?" submit --dryrun x
    says 2 "--jobs goes with --dry-run" submit --jobs x
    says 2 "option '--workers' needs a value" run --workers
    says 2 "option '--wait=3' takes no value" submit --wait=3 x
    says 2 "unknown option '-x'" run -x
    says 2 "expected an integer from 1" run --workers 0 x
    says 2 "expected train, probe or derive" jobs --kind x
    says 2 "expected an integer from 0" jobs --limit x
    says 2 "expected an integer from 1" logs 1 --attempt x
    says 2 "did you mean 'optimizer'?" options optimzier
    says 2 "unknown option '--x'" worker --x list
    says 2 "there is no database" jobs
    says 0 "--kind KIND" help jobs
    says 0 "Exit codes" -h
}

@test "cli: a full disk is an error of every verb" {
    run_spiral
    for verb in --help --version options jobs status report "logs 1" "status --json" \
        "sql 'SELECT 1'" "jobs --csv" "artifact list"; do
        echo "$verb"
        run eval "coord $verb >/dev/full"
        [ "$status" -eq 1 ]
        [[ $output == *"cannot write to stdout"* ]]
    done
    run eval "timeout 20 $COORD_BIN/coord status --json --watch >/dev/full"
    [ "$status" -eq 1 ]
}

@test "cli: an artifact goes to a file, a pipe, or nowhere; never over a folder" {
    run_spiral
    coord artifact get 1 final -o "$DIR/final"
    coord artifact get 1 final -o /dev/stdout | cmp - "$DIR/final"
    mkfifo "$DIR/fifo"
    cmp "$DIR/fifo" "$DIR/final" &
    coord artifact get 1 final -o "$DIR/fifo"
    wait $!
    [ -p "$DIR/fifo" ]
    says 2 "is a folder" artifact get 1 final -o "$DIR"
    says 1 "cannot write" artifact get 1 final -o "$DIR/none/final"
    says 2 "expected 'list" artifact get 1 final -o ""
    [ -z "$(ls "$DIR" | grep part)" ]
}

@test "cli: a report tells probes apart, and a NaN from what does not apply" {
    run_spiral
    echo "$output"
    [ "$status" -eq 1 ] # the diverged run has no state of epoch 2
    run coord report
    echo "$output"
    grep -qE '^baseline +optimizer.lr=1000000.0 +0 +done \(diverged\) .* nan ' <<<"$output"
    grep -qE '^baseline +optimizer.lr=0.1 +0 +late ' <<<"$output"
    grep -qE '^baseline +optimizer.lr=1000000.0 +0 +whole .* nan .* no ' <<<"$output"
    grep -qF 'seed 0, whole (alpha -0.5 to 1.5)' <<<"$output"
    grep -qE "^baseline, optimizer.lr=0.1, seed 0, late$" <<<"$output"
    grep -qF "ended without its state 'epoch:2'" <<<"$output"
    [ "$(coord report --csv | sed -n 3p | cut -d , -f 4,5,11)" = done,diverged,nan ]
    grep -qE "^baseline +optimizer.lr=1000000.0 +optimizer.lr=0.1 .* too few: needs 3$" <<<"$output"
    coord report --markdown | grep -q '^## Rank correlations over runs'
    coord report --table correlations --csv >"$DIR/correlations"
    [ "$(head -n 1 "$DIR/correlations")" = probe,bn,of,with,runs,rho,low,high,p,note ]
    coord report --table interventions --json | grep -q '"rising": 1.0'
    says 2 "--table: expected one of runs, " report --table run
}

@test "cli: the failures of a job are told in every sweep that asks for it" {
    run_spiral
    sed -i 's/name = "spiral"$/name = "again"/' "$DIR/spiral.toml"
    says 1 "5/6 done, 1 skipped" run "$DIR/spiral.toml"
    says 0 "epoch:2" status again
    coord status again --json | grep -q "epoch:2"
}

@test "cli: a mistyped name in double quotes is an error, not a string" {
    run_spiral
    says 2 "no such column" sql 'SELECT "optimizer.lrr" FROM runs_spiral'
    says 0 "1e+06" sql 'SELECT "optimizer.lr" FROM runs_spiral'
}

@test "cli: a folder of data that is not there is not passed over" {
    write_spiral
    says 2 "--data: no such folder: /nonexistent" run "$DIR/spiral.toml" --data /nonexistent
    COORD_DATA=/nonexistent says 2 "COORD_DATA" run "$DIR/spiral.toml"
    run "$COORD_BIN/coord-worker" --connect tcp://127.0.0.1:1 --data /nonexistent
    [ "$status" -eq 2 ]
    [[ $output == *"no such folder: /nonexistent"* ]]
}

@test "cli: commands that are suggested can be typed, whatever the folder's name" {
    write_spiral
    mkdir "$DIR/it's a folder"
    cp "$DIR/spiral.toml" "$DIR/it's a folder/my grid.toml"
    cd "$DIR/it's a folder"
    run coord --dir "./the state" run "my grid.toml"
    echo "$output"
    grep 'try next  coord --dir' <<<"$output" | sed "s|.*try next  coord|$COORD_BIN/coord|" \
        >"$DIR/typed"
    sh "$DIR/typed" | grep -q Runs
}

@test "cli: a state directory whose path is too long is refused in a sentence" {
    write_spiral
    long=$DIR/$(printf 'x%.0s' $(seq 200))/$(printf 'y%.0s' $(seq 200))
    run coord --dir "$long" run "$DIR/spiral.toml"
    [ -s "$long/coord.db" ] # longer than a socket's path may be
    says 2 "too long: expected at most 480 bytes" --dir "$long/$(printf 'z%.0s' $(seq 90))" \
        run "$DIR/spiral.toml"
}
