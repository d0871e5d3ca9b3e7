#!/usr/bin/env bash
# install.sh VENV STACK PYTHON: make the environment VENV with everything that
# training, tests and lint need; STACK is openmmlab (onedl) or upstream.
# Installs the tested versions, and names in one line what a bare machine
# lacks. TORCH_VERSION=2.4.1, for one, takes that torch instead of the tested
# one, and TORCH_VERSION=newest the newest there is.
set -euo pipefail
venv=$1 stack=$2 python=$3
constraints=requirements/constraints.txt
extras=accuracy,completion,docs,export,fast,loggers,lora,slurm,tests,lint
if [ "$stack" = upstream ]; then
    constraints=requirements/constraints-upstream.txt
    extras=accuracy,completion,export,fast,loggers,lora,slurm,tests
fi

fail() {
    echo "error: $*" >&2
    exit 2
}

command -v "$python" >/dev/null ||
    fail "no $python on this machine; name one: make PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$("$python" --version) is too old: vitdense needs Python 3.10 or" \
        "newer; name one: make PYTHON=/path/to/python3"
if ! [ -x "$venv/bin/pip" ]; then
    log=$("$python" -m venv "$venv" 2>&1) || {
        rm -rf "$venv"
        fail "$python cannot make an environment (on Debian and Ubuntu:" \
            "apt-get install python3-venv): ${log%%$'\n'*}"
    }
fi

torch=$(grep '^torch==' "$constraints")
if [ -n "${TORCH_VERSION:-}" ]; then
    # What the constraints say of torch, and of sympy, whose version torch
    # prescribes, does not hold for another torch.
    others=$(mktemp)
    trap 'rm -f "$others"' EXIT
    grep -v -E '^(torch|sympy)==' "$constraints" >"$others"
    constraints=$others
    torch=torch==$TORCH_VERSION
    [ "$TORCH_VERSION" != newest ] || torch=torch
fi

echo "setting up $venv (once, a few minutes) ..."
# torch is on the same line with its version, because left to itself pip takes
# the newest one and replaces it in a second step.
"$venv/bin/python" -m pip install -qq --disable-pip-version-check \
    -c "$constraints" "$torch" -r "requirements/tests-$stack.txt" \
    -e ".[$extras]" || fail "pip could not install $stack into $venv"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check \
    --no-deps -r requirements/tests-nodeps.txt ||
    fail "pip could not install timm into $venv"
problem=$("$venv/bin/python" -c 'import cv2' 2>&1) ||
    fail "OpenCV does not load (${problem##*$'\n'}); on Debian and Ubuntu:" \
        "apt-get install libgl1 libglib2.0-0"
