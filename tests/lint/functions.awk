# Functions longer than 70 lines, from the brace in column 1 to its partner.
FNR == 1 { start = 0 }
/^[a-zA-Z].*\(/ { name = $0 }
/^\{/ { start = FNR }
/^\}/ {
    if (start && FNR - start - 1 > 70)
        print FILENAME ":" start ": " FNR - start - 1 " lines: " name
    start = 0
}
