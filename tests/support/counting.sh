# For tests/run: runs suites and adds up what they say. Wants $logs, the folder for their full output.
# A test that is skipped has not passed, and has not failed: it is counted apart.
passed=0
failed=0
skipped=0

# add NAME PASSED FAILED SKIPPED LOG
add() {
    passed=$((passed + $2))
    failed=$((failed + $3))
    skipped=$((skipped + $4))
    printf '%-44s %5d passed, %d failed' "$1" "$2" "$3"
    [ "$4" -eq 0 ] || printf ', %d skipped' "$4"
    echo
    if [ "$3" -gt 0 ]; then
        # Node says why a whole file has failed in a line of its own.
        grep -E -A 9 '^ *not ok|^# Error: |FAIL|ERROR: |runtime error' "$5" | grep -vE '# (TODO|SKIP)' | head -n 60
        echo "  all of it: $5"
    fi
}

# skip NAME WHY: a whole suite, which counts as one test since nobody knows how many it has.
skip() {
    skipped=$((skipped + 1))
    echo "$1 skipped: $2"
}

# fail NAME WHY: a whole suite that can't be run and should be.
fail() {
    failed=$((failed + 1))
    echo "$1 FAILED: $2"
}

# find_pollers BINARY: `pollers` are those over which this server starts. A kernel may lack io_uring,
# and then its suites are skipped; a server that does not start for another reason has failed.
find_pollers() {
    local poller line
    pollers=()
    for poller in epoll io_uring; do
        line=
        coproc server { exec "$1" --port 0 --poller "$poller" 2>&1; }
        read -r -t 10 -u "${server[0]}" line
        kill "$server_PID" 2>/dev/null
        wait "$server_PID" 2>/dev/null
        if [[ $line == *listening* ]]; then
            pollers+=("$poller")
        elif [[ $line == *"--poller io_uring: the kernel does not have it"* ]]; then
            skip "$poller" "$line"
        else
            fail "the server over $poller" "does not start: $line"
        fi
    done
}

log_of() {
    echo "$logs/$(tr -cs "[:alnum:]\n" - <<<"$1").log"
}

# tap_add NAME STATUS LOG: a program that has printed TAP, in which a skipped test may be `ok` (the protocol)
# or `not ok` (cmocka). One that ended badly, or printed no test at all, has failed.
tap_add() {
    local ok bad over
    over=$(grep -ciE '^ *(not )?ok .*# skip' "$3")
    ok=$(grep -E '^ *ok ' "$3" | grep -civE '# skip')
    bad=$(grep -E '^ *not ok ' "$3" | grep -civE '# (skip|todo)')
    [ $((ok + bad + over)) -gt 0 ] && { [ "$2" -eq 0 ] || [ "$bad" -gt 0 ]; } || bad=$((bad + 1))
    add "$1" "$ok" "$bad" "$over" "$3"
}

# meson_tests FOLDER [OPTION...]: what Meson knows of a build folder, several at once. Each prints TAP.
meson_tests() {
    local folder=$1 name status log failed_before=$failed ended
    shift
    rm -f "$folder/meson-logs/testlog.json"
    meson test -C "$folder" --no-rebuild --quiet "$@" >"$(log_of "meson test")" 2>&1
    ended=$?
    while read -r name status log; do
        tap_add "$name" "$status" "$log"
    done < <(tests/support/testlog.py "$folder/meson-logs/testlog.json" "$logs" || echo "meson 1 $(log_of "meson test")")
    # Meson was ended, with tests that it had not begun.
    [ "$ended" -eq 0 ] || [ "$failed" -gt "$failed_before" ] || fail "meson test" "ended with status $ended"
}

# node_run NAME FOLDER [FILE...]: Node's own runner. node_add NAME: its summary counts, the suites
# themselves left out; it has SUITE_SECONDS. Apart, since tests mostly wait: several run beside each other.
node_run() {
    local log folder=$2
    log=$(log_of "$1")
    shift 2
    [ $# -gt 0 ] || set -- "$folder"/*.test.mjs
    (
        cd "$folder" &&
            timeout "${SUITE_SECONDS:-800}" "${NODE:-node}" --test --test-concurrency="${SUITE_FILES_AT_ONCE:-1}" --test-reporter=tap "${@##*/}"
    ) >"$log" 2>&1
    echo "status $?" >>"$log"
}

node_add() {
    local log ok bad over cancelled
    log=$(log_of "$1")
    ok=$(sed -n 's/^# pass //p' "$log")
    bad=$(sed -n 's/^# fail //p' "$log")
    over=$(sed -n 's/^# skipped //p' "$log")
    cancelled=$(sed -n 's/^# cancelled //p' "$log")
    bad=$((${bad:-1} + ${cancelled:-0}))
    if ! grep -qx 'status 0' "$log" || [ $((${ok:-0} + bad + ${over:-0})) -eq 0 ]; then
        [ "$bad" -gt 0 ] || bad=1
    fi
    add "$1" "${ok:-0}" "$bad" "${over:-0}" "$log"
}

node_tests() {
    node_run "$@"
    node_add "$1"
}

# The last line, and the status: where nothing has passed, nothing was tested.
tell() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
