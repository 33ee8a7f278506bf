#!/bin/sh
# one.sh - one fuzzer for FUZZ_SECONDS with its corpus; new inputs stay in the
# build folder, the checked-in corpus is only read.
name=$(basename "$1")
UBSAN_OPTIONS="print_stacktrace=1:suppressions=tests/fuzz/ubsan.supp" \
exec "$1" -max_total_time="${FUZZ_SECONDS:-30}" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$(dirname "$1")/" \
    "$(dirname "$1")/new/$name" "tests/fuzz/corpus/$name"
