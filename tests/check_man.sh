#!/bin/sh
# check_man.sh [BINDIR] - what the manual says is what the programs know: every
# key of the hub's and the node's configuration and every module option has an
# entry in its page, every error code too, every command a line in the page
# made by `tsunagi help --man`, every page passes mandoc, and the examples pass
# `tsunagi config check`. What needs a program or mandoc that is not there is
# passed over, and said.
set -u
cd "$(dirname "$0")/.." || exit 2
bin=${1:-${B:-build}/bin}
man=deploy/man
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
bad=0

complain() {
    echo "check_man: $1" >&2
    bad=1
}

# entries PAGE: every word of the page's .It lines, one a line
entries() {
    grep '^\.It' "$1" | tr -s ' ,' '\n'
}

# page_has PAGE WHAT NAME...
page_has() {
    page=$1
    what=$2
    shift 2
    [ $# -gt 0 ] || complain "$page: found no $what to look for"
    entries "$page" >"$tmp/entries"
    for name; do
        grep -qxF -e "$name" "$tmp/entries" || complain "$page lacks $what $name"
    done
}

# keys FILE: first string of each row of a configuration table
keys() {
    sed -n 's/^ *{"\([a-z_.]*\)", CONF_.*/\1/p' "$1"
}

# shellcheck disable=SC2046 # words are wanted
page_has $man/hub.conf.5 key $(keys hub/core/hub_config.c)
# shellcheck disable=SC2046
page_has $man/node.conf.5 key $(keys adapters/sdk/settings.c) module
# shellcheck disable=SC2046
page_has $man/tsunagi-errors.7 code \
    $(sed -n 's/^ERR([A-Z0-9_]*, "\([^"]*\)".*/\1/p' proto/base/err.def)
sh $man/errors.sh | cmp -s - $man/tsunagi-errors.7 ||
    complain "$man/tsunagi-errors.7 is not what $man/errors.sh makes of err.def"

# options that modules and connectors ask for by a literal name
options=$(cat adapters/*/*.c | tr -d '\n' |
    grep -oE '(tsunagi_option(_int|_count)?|option|option_folder|make_folder)\([a-z>-]+(->host)?, *"[a-z_0-9]+"' |
    sed 's/.*"\(.*\)"/\1/' | sort -u)
# shellcheck disable=SC2086
page_has $man/tsunagi-modules.7 option $options

if command -v mandoc >/dev/null; then
    for page in "$man"/*.[1-9]; do
        mandoc -T lint -W error "$page" || complain "$page does not pass mandoc"
    done
else
    echo 'check_man: no mandoc here, pages not linted'
fi

if [ -x "$bin/tsunagi" ]; then
    "$bin/tsunagi" help --man >"$tmp/tsunagi.1" || complain 'no help --man'
    if command -v mandoc >/dev/null; then
        mandoc -T lint -W error "$tmp/tsunagi.1" ||
            complain 'tsunagi help --man does not pass mandoc'
    fi
    sed -n 's/^    {"\([a-z]*\)", "\([a-z]*\)", ".*/\1 \2/p' \
        hub/ctl/commands.c >"$tmp/commands"
    [ -s "$tmp/commands" ] || complain 'commands.c: found no commands'
    while read -r group name; do
        grep -qE "^\.B tsunagi $group${name:+ $name}( |\$)" "$tmp/tsunagi.1" ||
            complain "tsunagi help --man lacks $group $name"
    done <"$tmp/commands"

    # the examples, with keys of our own in place of those they name
    for k in hub log h1 m1 p1; do
        "$bin/tsunagi" key make $k --out "$tmp/$k" >/dev/null ||
            complain 'key make failed'
    done
    for f in deploy/examples/*.conf; do
        sed "s|/etc/tsunagi/keys|$tmp|" "$f" >"$tmp/check.conf"
        "$bin/tsunagi" config check "$tmp/check.conf" >"$tmp/out" 2>&1 || {
            complain "$f does not pass config check"
            cat "$tmp/out" >&2
        }
    done
else
    echo "check_man: no $bin/tsunagi, commands and examples not checked"
fi

# what the manual quotes of the smallest module is still its text
sed -n '/^It is the smallest module/,$p' "$man/tsunagi-modules.7" |
    sed -n '/^\.Bd -literal/,/^\.Ed/p' | sed '1d;$d; s/^\\&//; s/\\e/\\/g' |
    grep -v '^$' >"$tmp/quote"
[ -s "$tmp/quote" ] || complain 'tsunagi-modules.7 quotes nothing of the example'
grep -vxFf adapters/example/example.c "$tmp/quote" >&2 &&
    complain 'tsunagi-modules.7 quotes lines that the example does not have'

[ $bad -eq 0 ] && echo 'manual: complete'
exit $bad
