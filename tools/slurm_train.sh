#!/usr/bin/env bash
# slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [ARGS]: tools/train.py
# under Slurm with a process for each of GPUS (8) GPUs, GPUS_PER_NODE (8) on a
# machine, CPUS_PER_TASK (5) cores for each; SRUN_ARGS holds further options
# of srun, divided by blanks. 120 seconds before its time is over the job is
# told, by SIGUSR1. PYTHON names another Python than the one on the PATH.
set -euo pipefail
fail() {
    echo "error: $*" >&2
    exit 2
}

[ $# -ge 4 ] || fail "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR" \
    "[arguments of tools/train.py]"
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-8}
cpus=${CPUS_PER_TASK:-5}
for each in "GPUS=$gpus" "GPUS_PER_NODE=$per_node" "CPUS_PER_TASK=$cpus"; do
    [[ ${each#*=} =~ ^[1-9][0-9]*$ ]] ||
        fail "${each%%=*} is '${each#*=}', not a whole number above 0"
done
# Slurm runs again only what sbatch has queued.
if [ -z "${SLURM_JOB_ID:-}" ] && [[ " ${*:5} " == *' --requeue '* ]]; then
    fail "--requeue: srun by itself makes no job that Slurm can run again;" \
        "call $0 from a script of sbatch, or tools/train.py --submit"
fi
# no more than there are in all
per_node=$((per_node < gpus ? per_node : gpus))
read -ra more <<<"${SRUN_ARGS:-}"

export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
# "${more[@]+...}": an empty array is unset to bash before 4.4
exec srun \
    --partition "$1" \
    --job-name "$2" \
    --nodes "$(((gpus + per_node - 1) / per_node))" \
    --gres "gpu:$per_node" \
    --ntasks "$gpus" \
    --ntasks-per-node "$per_node" \
    --cpus-per-task "$cpus" \
    --kill-on-bad-exit 1 \
    --signal=USR1@120 \
    ${more[@]+"${more[@]}"} \
    "${PYTHON:-python}" -u "$tools/train.py" "$3" \
    --work-dir "$4" "${@:5}" --launcher slurm
