#!/bin/sh
# check_layers.sh - holds the order of the house: who may include whom.
#
#   base <- wire <- core <- store ; wire <- net ; app uses all of hub ;
#   ctl uses base, wire, core, sdk ; sdk uses base, wire ;
#   an adapter sees adapters/sdk/include and adapters/connect, nothing else.
# Also: core touches no clock, socket, file, database or random source, and
# core/policy names no role, class, purpose or event.
set -u
cd "$(dirname "$0")/.." || exit 2
bad=0

complain() {
    echo "$1" >&2
    bad=1
}

# floor FOLDER ALLOWED: quoted includes of *.c and *.h in FOLDER must match
# the extended regular expression ALLOWED.
floor() {
    found=$(grep -rnE '^#include "' "$1" --include='*.c' --include='*.h' |
        grep -vE "#include \"($2)" || true)
    [ -z "$found" ] || complain "layer: $1 may not include:
$found"
}

B='proto/base/'
W="$B|proto/wire/|tsunagi/v1/|event_types\.h"
floor proto/base "$B"
floor proto/wire "$W"
floor hub/core "$W|hub/core/"
floor hub/store "$W|hub/core/|hub/store/|schema_"
floor hub/net "$W|hub/core/registry\.h|hub/net/"
floor hub/app "$W|hub/(core|store|net|app)/"
floor hub/ctl "$W|hub/core/|hub/ctl/|adapters/sdk/"
floor adapters/sdk "$W|adapters/sdk/|tsunagi/adapter\.h"
floor adapters/host "$W|adapters/sdk/|tsunagi/adapter\.h"
floor adapters/connect 'tsunagi/adapter\.h|adapters/connect/'
for m in adapters/*/; do
    m=${m%/}
    case $m in
    adapters/sdk | adapters/host | adapters/connect) ;;
    *) floor "$m" "tsunagi/adapter\.h|adapters/connect/|$m/" ;;
    esac
done

# A pure core: no system header that reaches outside, no such call.
found=$(grep -rnE '^#include <(time|sys/|unistd|fcntl|sqlite3|zmq|stdio_ext|pthread|sodium/randombytes)' \
    hub/core --include='*.c' --include='*.h' || true)
[ -z "$found" ] || complain "layer: core reaches outside:
$found"
found=$(grep -rnwE '(clock_wall_ms|clock_boot_ms|time|gettimeofday|clock_gettime|fopen|open|read|write|randombytes_buf|id_new|id_random|rand|random|getenv|printf|fprintf|log_note|log_warn|log_error|file_read|file_replace)[[:space:]]*\(' \
    hub/core --include='*.c' || true)
[ -z "$found" ] || complain "layer: core calls something impure:
$found"

# The policy engine and what reads beside it know no code of the field: swapping
# tables swaps answers. No role, class, purpose, ground, event, kind of meeting
# or function, neither as a word nor as a constant of the schemas.
engine=$(ls hub/core/policy*.[ch] hub/core/authority.[ch] \
    hub/core/manifest.[ch] 2>/dev/null)
events=$(sed -n 's/^event\t\([A-Z_0-9]*\)\t.*/\1/p' deploy/policy/vocab.tsv |
    paste -sd '|' -)
[ -n "$events" ] || complain "layer: vocab.tsv names no event"
code='\b(R|P|G|LB|PR|SD|MT|F)_[A-Z0-9][A-Z0-9_]*\b'
# shellcheck disable=SC2086 # a list of files
found=$(grep -nE "$code|PB__(DATA_CLASS|MEETING_KIND|FORM_CODE)__|EVENT_[A-Z]|\"($events)\"" \
    $engine || true)
[ -z "$found" ] || complain "layer: core/policy names a code of the field:
$found"

# One door to SQL.
found=$(grep -rlE 'sqlite3_' hub adapters proto --include='*.c' --include='*.h' |
    grep -vE '^hub/store/|^adapters/sdk/' || true)
[ -z "$found" ] || complain "layer: SQL outside the stores: $found"

# Banned calls (CONTRIBUTING.md).
found=$(grep -rnwE '(strcpy|strcat|sprintf|strtok|atoi|alloca|gets)[[:space:]]*\(' \
    proto hub adapters --include='*.c' --include='*.h' || true)
[ -z "$found" ] || complain "banned call:
$found"

[ $bad -eq 0 ] && echo "layers: in order"
exit $bad
