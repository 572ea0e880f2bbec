#!/usr/bin/env bash
# The CPU tables of docs/speed.md, in at most 8 minutes of two cores on which nothing else runs. Each part leaves its
# tables in the folder at once; what is cut short or fails keeps the others.
#
#     bash tools/benchmark/cpu_session.sh [FOLDER] [PYTHON] [ROUNDS]
set -u
folder=${1:-work_dirs/cpu_session} python=${2:-.venv/bin/python} rounds=${3:-15}
cd "$(dirname "$0")/../.." || exit 2
mkdir -p "$folder"
failed=0

part() {  # seconds, file without suffix, command and its words
    local seconds=$1 name=$2
    shift 2
    echo "== $name ($(date +%T))"
    timeout "$seconds" "$python" "tools/benchmark/$1.py" "${@:2}" --rounds "$rounds" --markdown "$folder/$name.md" \
        >"$folder/$name.log" 2>&1 && return
    echo "   failed or ran past $seconds s: $folder/$name.log"
    failed=$((failed + 1))
}

part 150 layers norm_layer --dtypes float32 bfloat16
part 60 host_cost host_cost
part 90 resnet50_vgg16 network_step --networks resnet50 vgg16 --norms SWa
part 60 narrow network_step --networks vgg16 --norms SWa --width 0.25 --size 2 128 256
part 100 pspnet network_step --networks pspnet14 --norms SWa
echo "== done ($(date +%T)): $failed parts failed, tables in $folder"
exit $((failed > 0))
