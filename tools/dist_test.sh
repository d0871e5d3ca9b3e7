#!/usr/bin/env bash
# dist_test.sh CONFIG CHECKPOINT GPUS [ARGS]: tools/test.py in GPUS processes.
# tools/torchrun.sh has the variables that it reads.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "error: usage: $0 CONFIG CHECKPOINT GPUS" \
        "[arguments of tools/test.py]" >&2
    exit 2
fi
exec "$(dirname "$0")/torchrun.sh" test.py "$3" "$1" "$2" "${@:4}"
