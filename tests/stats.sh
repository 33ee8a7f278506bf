#!/bin/sh
# stats.sh - sizes of our functions and files; it informs, it never fails.
cd "$(dirname "$0")/.." || exit 2
echo "files and lines by floor:"
for d in proto/base proto/wire proto/plugin hub/core hub/store hub/net hub/app \
    hub/ctl adapters tests; do
    n=$(git ls-files "$d/*.c" "$d/*.h" "$d/**/*.c" "$d/**/*.h" | sort -u | wc -l)
    l=$(git ls-files "$d/*.c" "$d/*.h" "$d/**/*.c" "$d/**/*.h" | sort -u |
        xargs -r cat | wc -l)
    printf '  %-14s %4d files %6d lines\n' "$d" "$n" "$l"
done
# a function body begins with '{' and ends with '}' in the first column
git ls-files 'hub/**/*.c' 'adapters/**/*.c' 'proto/**/*.c' | xargs awk '
    FNR == 1 { start = 0 }
    /^\{/ { start = FNR }
    /^\}/ { if (start) { print FNR - start + 1; start = 0 } }' | sort -n | awk '
    { v[NR] = $1 }
    END { if (NR) printf "functions: %d, median %d, p95 %d, longest %d lines\n",
          NR, v[int((NR + 1) / 2)], v[int(NR * 0.95)], v[NR] }'
