#!/bin/sh
# witness_test.sh - real processes: agencies that cosign the hub's log, and hubs
# that forked it, went back in time, or release without a leaf. BUILD is where
# the programs were built (bin/ of it is in PATH).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(dirname "$(readlink -f "$(command -v tsunagi)")")
TSUNAGI_BIN=$bin PYTHONDONTWRITEBYTECODE=1 \
    exec python3 "$here/witness.py" "$@"
