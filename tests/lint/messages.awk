# messages.awk: every message of the grid's language is in some test, word by word.
#
#   awk -f messages.awk tests=FILE... tests= FILE...    (sources after "tests=")
#
# A message is the text of a call that fails (grid_fail, err_set, ...); a test has it if one
# of its strings matches, where each %... of the message may stand for anything.
# Prints "FILE:LINE: message" for those that no test has.

function literal(text, at,    c, out) { # the string that begins at text[at]; sets after
    out = ""
    for (at++; (c = substr(text, at, 1)) != "\""; at++) {
        if (c == "\\")
            out = out c substr(text, ++at, 1)
        else
            out = out c
    }
    after = at + 1
    return out
}

# Strings that stand side by side are one. Comments are gone by now.
function next_string(text, at, limit,    rest, gap, out) {
    rest = substr(text, at, limit - at)
    gap = index(rest, "\"")
    if (gap == 0)
        return 0
    out = literal(text, at + gap - 1)
    while (match(substr(text, after, 400), /^[ \t\n]*"/))
        out = out literal(text, after + RLENGTH - 1)
    string = out
    return 1
}

# Lines stay where they are.
function without_comments(text,    out, at, rest, lines) {
    out = ""
    while ((at = index(text, "/*")) > 0) {
        rest = substr(text, at)
        out = out substr(text, 1, at - 1)
        at = index(rest, "*/")
        lines = substr(rest, 1, at + 1)
        gsub(/[^\n]/, "", lines)
        out = out lines
        text = substr(rest, at + 2)
    }
    return out text
}

function pattern(message) { # as a regular expression
    gsub(/[][\\.*+?(){}|^$]/, "\\\\&", message)
    gsub(/%%/, "%", message)
    gsub(/%[-+0-9.\\*]*[lzhj]*[a-zA-Z]/, "[^\n]*", message)
    return message
}

function end_of_call(text, at,    depth, c) {
    for (depth = 1; depth > 0 && at <= length(text); at++) {
        c = substr(text, at, 1)
        if (c == "\"") {
            literal(text, at)
            at = after - 1
        } else if (c == "(")
            depth++
        else if (c == ")")
            depth--
    }
    return at
}

function take_tests(text,    at) {
    at = 1
    while (next_string(text, at, length(text) + 1)) {
        strings = strings "\n" string
        at = after
    }
}

function take_source(text, file,    at, line, rest, stop, call, plain) {
    at = 1
    line = 1
    while (match(substr(text, at), /[a-z_]*(fail|err_set|refuse)[a-z_]*\(/)) {
        rest = substr(text, at, RSTART + RLENGTH - 1)
        line += gsub(/\n/, "", rest)
        at += RSTART + RLENGTH - 1
        stop = end_of_call(text, at)
        call = substr(text, at, stop - at)
        if (call ~ /NO_MEMORY/)
            continue
        after = at
        while (next_string(text, after, stop)) {
            plain = string
            gsub(/%[-+0-9.*]*[lzhj]*[a-zA-Z]/, "", plain)
            if (length(plain) > 9 && !((file, string) in asked)) {
                asked[file, string] = 1
                order[++count] = file ":" line ": " string
                wanted[count] = string
            }
        }
    }
}

function take(file, text) {
    text = without_comments(text)
    if (reading_tests)
        take_tests(text)
    else
        take_source(text, file)
}

FNR == 1 && NR > 1 { take(last, text); text = "" }
FNR == 1 { last = FILENAME; reading_tests = tests }
{ text = text $0 "\n" }
END {
    take(last, text)
    for (i = 1; i <= count; i++)
        if (strings !~ pattern(wanted[i]))
            print order[i]
}
