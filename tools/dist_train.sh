#!/usr/bin/env bash
# dist_train.sh CONFIG GPUS [ARGS]: tools/train.py in GPUS processes.
# tools/torchrun.sh has the variables that it reads.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "error: usage: $0 CONFIG GPUS [arguments of tools/train.py]" >&2
    exit 2
fi
exec "$(dirname "$0")/torchrun.sh" train.py "$2" "$1" "${@:3}"
