#!/usr/bin/env bats
# The README says what the programs do.

load common.bash

@test "readme: its grid is a grid, and every option and verb is in it" {
    readme=$COORD_SOURCE/README.md
    sed -n '/^```toml/,/^```/p' "$readme" | grep -v '^```' >"$DIR/grid.toml"
    coord submit --dry-run "$DIR/grid.toml" | grep -q '^widths: runs 24, '
    coord --csv options | tail -n +2 | cut -d, -f1 >"$DIR/options"
    [ "$(wc -l <"$DIR/options")" -ge 20 ]
    while read -r option; do
        grep -qF "\`$option\`" "$readme" || { echo "missing: $option"; return 1; }
    done <"$DIR/options"
    coord --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' >"$DIR/verbs"
    [ "$(wc -l <"$DIR/verbs")" -ge 10 ]
    while read -r verb; do
        grep -qF "\`coord $verb" "$readme" || { echo "missing: coord $verb"; return 1; }
    done <"$DIR/verbs"
}
