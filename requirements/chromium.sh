#!/usr/bin/env bash
# chromium.sh: have a Chromium with its driver, which tests of the pages of
# tools/benchmark.py and tools/browse.py need; install it where this is a
# Debian and we may. CHROMIUM=none leaves it and these tests out.
set -euo pipefail
[ "${CHROMIUM:-}" != none ] || exit 0

is_there() {
    command -v chromedriver >/dev/null && {
        command -v chromium || command -v chromium-browser ||
            command -v google-chrome
    } >/dev/null
}

is_there && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium (once) ..."
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends \
        chromium chromium-driver; } >/dev/null 2>&1 || true
fi
is_there || {
    echo "error: no chromium and chromedriver; on Debian: apt-get install" \
        "chromium chromium-driver; CHROMIUM=none leaves their tests out" >&2
    exit 2
}
