# Sourced by the session scripts, which set $python and $folder: one part of a session after the other, each of which
# leaves its tables in the folder at once. What is cut short or fails keeps the others.

failed=0
mkdir -p "$folder"

part() {  # seconds, file without suffix, command and its words
    local seconds=$1 name=$2
    shift 2
    echo "== $name ($(date +%T))"
    timeout "$seconds" "$python" "tools/benchmark/$1.py" "${@:2}" --markdown "$folder/$name.md" \
        >"$folder/$name.log" 2>&1 && return
    echo "   failed or ran past $seconds s: $folder/$name.log"
    failed=$((failed + 1))
    return 1
}

end_session() {
    echo "== done ($(date +%T)): $failed parts failed, tables in $folder"
    exit $((failed > 0))
}
