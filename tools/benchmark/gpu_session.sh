#!/usr/bin/env bash
# Everything that this project measures on a GPU, in an order that pays when it is cut short: at most 13 minutes of one
# card, with torch and this checkout alone. First whether the layer computes there what fp64 does; if not, it stops.
# Each part leaves its table in the folder at once.
#
#     bash tools/benchmark/gpu_session.sh [FOLDER] [PYTHON]
set -u
folder=${1:-work_dirs/gpu_session} python=${2:-python}
cd "$(dirname "$0")/../.." || exit 2
. tools/benchmark/session.sh

step() {  # seconds, file without suffix, words of network_step
    local seconds=$1 name=$2
    shift 2
    part "$seconds" "$name" network_step --device cuda --norms SWa --rounds 10 "$@"
}

part 60 equality equality --device cuda || exit 1
part 75 kernels kernels --rounds 8
part 30 host_cost host_cost
step 45 resnet50 --networks resnet50
step 45 resnet50_graph --networks resnet50 --graph
step 75 resnet50_compile --networks resnet50 --compile
step 75 resnet50_reduce_overhead --networks resnet50 --compile --compile-mode reduce-overhead
step 45 vgg16 --networks vgg16
step 45 vgg16_graph --networks vgg16 --graph
step 45 pspnet --networks pspnet14
step 45 pspnet_graph --networks pspnet14 --graph
part 120 config_cost config_cost --device cuda bn_fcn_ade20k sw_fcn_ade20k bn_pspnet_ade20k sw_pspnet_ade20k \
    bn_fcn_cityscapes sw_fcn_cityscapes sw7_fcn_cityscapes sw7eigh_fcn_cityscapes bn_pspnet101_ade20k \
    sw_pspnet101_ade20k bn_adaptsegnet_gta2cityscapes sw_adaptsegnet_gta2cityscapes swb_adaptsegnet_gta2cityscapes \
    bn_resnet50_imagenet sw_resnet50_imagenet swb_resnet50_imagenet
part 45 sweep_97 kernels --shapes 8x512x97x97 --sweep --rounds 5
end_session
