#!/usr/bin/env bash
# torchrun.sh TOOL GPUS ARGS: run tools/TOOL in GPUS processes on this machine.
# dist_train.sh and dist_test.sh are what users call. With several machines,
# call them on each: NNODES says how many there are, NODE_RANK which one this
# is, MASTER_ADDR and PORT where the first is reached. MAX_RESTARTS says how
# often all processes of a training start again from its last checkpoint when
# one has failed. PYTHON names another Python than the one on the PATH.
set -euo pipefail
tool=$1 processes=$2
shift 2
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if ! [[ $processes =~ ^[1-9][0-9]*$ ]]; then
    echo "error: GPUS is '$processes', not a positive number of processes" >&2
    exit 2
fi

export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m vitdense.engine.launch \
    --nnodes "${NNODES:-1}" \
    --node_rank "${NODE_RANK:-0}" \
    --nproc_per_node "$processes" \
    --max_restarts "${MAX_RESTARTS:-0}" \
    --master_addr "${MASTER_ADDR:-127.0.0.1}" \
    --master_port "${PORT:-29500}" \
    "$tools/$tool" "$@" --launcher pytorch
