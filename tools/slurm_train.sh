#!/usr/bin/env bash
# slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [ARGS]: tools/train.py as
# a Slurm job with a process for each of GPUS (8) GPUs, GPUS_PER_NODE (8) on a
# machine, CPUS_PER_TASK (5) cores for each; SRUN_ARGS holds further options
# of srun. 120 seconds before its time is over the job is told, by SIGUSR1.
# PYTHON names another Python than the one on the PATH.
set -euo pipefail
if [ $# -lt 4 ]; then
    echo "error: usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR" \
        "[arguments of tools/train.py]" >&2
    exit 2
fi
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-8}
# no more than there are in all
per_node=$((per_node < gpus ? per_node : gpus))
read -ra more <<<"${SRUN_ARGS:-}"

export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
# "${more[@]+...}": an empty array is unset to bash before 4.4
exec srun \
    --partition "$1" \
    --job-name "$2" \
    --gres "gpu:$per_node" \
    --ntasks "$gpus" \
    --ntasks-per-node "$per_node" \
    --cpus-per-task "${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit 1 \
    --signal=USR1@120 \
    ${more[@]+"${more[@]}"} \
    "${PYTHON:-python}" -u "$tools/train.py" "$3" \
    --work-dir "$4" "${@:5}" --launcher slurm
