#!/usr/bin/env bash
# The CPU tables of docs/speed.md, in at most 8 minutes of two cores on which nothing else runs. Each part leaves its
# tables in the folder at once; what is cut short or fails keeps the others.
#
#     bash tools/benchmark/cpu_session.sh [FOLDER] [PYTHON] [ROUNDS]
set -u
folder=${1:-work_dirs/cpu_session} python=${2:-.venv/bin/python} rounds=${3:-15}
cd "$(dirname "$0")/../.." || exit 2
. tools/benchmark/session.sh

part 150 layers norm_layer --dtypes float32 bfloat16 --rounds "$rounds"
part 60 host_cost host_cost --rounds "$rounds"
part 90 resnet50_vgg16 network_step --networks resnet50 vgg16 --norms SWa --rounds "$rounds"
part 60 narrow network_step --networks vgg16 --norms SWa --width 0.25 --size 2 128 256 --rounds "$rounds"
part 100 pspnet network_step --networks pspnet14 --norms SWa --rounds "$rounds"
end_session
