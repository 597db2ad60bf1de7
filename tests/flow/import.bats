#!/usr/bin/env bats
# Runs that start from a file: what one run ended with is another's start, whatever
# the file is called.

load common.bash

# grid NAME FROM CLASSES [LINE...]: a sweep of one run of a small network and its path,
# with more lines of [base].
grid() {
    cat >"$DIR/$1.toml" <<END
[sweep]
name = "$1"
seeds = 1
[[probe]]
name = "path"
kind = "path"
alphas = 3
splits = { train = 20, test = 20 }
[base]
data = { name = "blobs", shape = [1, 8, 8], sizes = [60, 30], prototypes = $3 }
optimizer = { lr = 0.05, batch = 20 }
train = { epochs = 1, keep = ["init", "final"] }
model.name = "mlp"
model.widths = [8]
init.from = "$2"
END
    printf '%s\n' "${@:4}" >>"$DIR/$1.toml"
}

# A first run, whose final state is in final.safetensors and in the store as $HASH.
first() {
    grid first "" 3
    coord run "$DIR/first.toml" --workers 1 >"$DIR/report"
    coord artifact get 1 final -o "$DIR/final.safetensors"
    HASH=$(coord artifact put "$DIR/final.safetensors")
}

# tensor FILE NAME: its bytes in hex.
tensor() {
    local size range
    size=$(($(od -An -tu8 -N8 "$1")))
    range=$(tail -c +9 "$1" | head -c "$size" | grep -o "\"$2\":{[^}]*}" |
        grep -o '\[[0-9]*,[0-9]*\]}' | tr -d '[]}')
    [ -n "$range" ]
    tail -c +$((9 + size + ${range%,*})) "$1" | head -c $((${range#*,} - ${range%,*})) |
        od -An -v -tx1
}

same_tensor() { [ "$(tensor "$DIR/$1.safetensors" "$3")" = "$(tensor "$DIR/$2.safetensors" "$3")" ]; }

# init_of NAME: the initial state of that sweep's run, in NAME.safetensors.
init_of() {
    local job
    job=$(sql "SELECT job FROM runs WHERE sweep = '$1'")
    coord artifact get "$job" init -o "$DIR/$1.safetensors"
    coord logs "$job" >"$DIR/$1.log"
}

@test "import: a run starts with the very bytes of the file" {
    first
    grid second "file:$HASH" 3
    coord run "$DIR/second.toml" --workers 1 >"$DIR/report"
    invariants_hold
    init_of second
    for name in fc1.weight fc1.bias fc2.weight fc2.bias; do
        same_tensor second final "$name"
    done
    grep -q "starts from file ${HASH:0:12}: 4 of 4 tensors taken" "$DIR/second.log"

    # What it is called is nobody's business: the same file, the same job.
    mkdir "$DIR/elsewhere"
    cp "$DIR/final.safetensors" "$DIR/elsewhere/other.name"
    [ "$(coord artifact put "$DIR/elsewhere/other.name")" = "$HASH" ]
    before=$(sql "SELECT count(*) FROM job")
    coord run "$DIR/second.toml" --workers 1 >"$DIR/report"
    [ "$(sql "SELECT count(*) FROM job")" = "$before" ]
}

@test "import: a worker elsewhere fetches the file" {
    first
    serve
    worker a
    grid second "file:$HASH" 3
    coord submit --wait "$DIR/second.toml"
    init_of second
    same_tensor second final fc1.weight
}

@test "import: other classes, other head; init.reset and init.partial draw more" {
    first
    grid head "file:$HASH" 5
    grid reset "file:$HASH" 3 'init.reset = ["fc1"]'
    grid wider "file:$HASH" 3 'init.partial = true'
    sed -i 's/widths = \[8\]/widths = [8, 4]/' "$DIR/wider.toml"
    for sweep in head reset wider; do
        coord run "$DIR/$sweep.toml" --workers 1 >"$DIR/report"
        init_of "$sweep"
        cat "$DIR/$sweep.log"
    done
    same_tensor head final fc1.weight
    grep -q "2 of 4 tensors taken; drawn: fc2.weight, fc2.bias" "$DIR/head.log"
    same_tensor reset final fc2.weight
    ! same_tensor reset final fc1.weight
    grep -q "2 of 4 tensors taken; drawn: fc1.weight, fc1.bias" "$DIR/reset.log"
    same_tensor wider final fc1.weight
    grep -q "2 of 6 tensors taken; drawn: fc2.weight, fc2.bias, fc3.weight, fc3.bias" "$DIR/wider.log"
}

@test "import: what cannot be a start is refused" {
    first
    # A file of another network fails its run, and says which tensor.
    grid deep "file:$HASH" 3
    sed -i 's/widths = \[8\]/widths = [9]/' "$DIR/deep.toml"
    run coord run "$DIR/deep.toml" --workers 1
    [ "$status" -eq 1 ]
    [ "$(sql "SELECT cause FROM failures LIMIT 1")" = data ]
    sql "SELECT message FROM failures" | grep -q "tensor 'fc1.weight' has the shape 8x64, the network's is 9x64"
    invariants_hold

    grid absent "file:00112233445566778899aabbccddeeff" 3
    run coord run "$DIR/absent.toml" --workers 1
    [ "$status" -eq 2 ]
    [[ "$output" == *"is not here: hand it over with 'coord artifact put FILE'"* ]]
    grid word "file:final.safetensors" 3
    run coord submit --dry-run "$DIR/word.toml"
    [ "$status" -eq 2 ]
    [[ "$output" == *"word.toml:"*"the hash that 'coord artifact put FILE' prints"* ]]
    grid none "" 3 'init.partial = true'
    run coord submit --dry-run "$DIR/none.toml"
    [ "$status" -eq 2 ]
    [[ "$output" == *"applies only where init.from is a file"* ]]

    echo "no tensors" >"$DIR/text"
    run coord artifact put "$DIR/text"
    [ "$status" -ne 0 ]
    : >"$DIR/empty"
    run coord artifact put "$DIR/empty"
    [ "$status" -ne 0 ]
}
