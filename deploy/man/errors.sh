#!/bin/sh
# errors.sh - writes tsunagi-errors.7 from proto/base/err.def; run it after a
# change there: sh deploy/man/errors.sh > deploy/man/tsunagi-errors.7
set -eu
cd "$(dirname "$0")/../.."
cat <<'HEAD'
.\" Made by deploy/man/errors.sh from proto/base/err.def; do not edit.
.Dd November 21, 2026
.Dt TSUNAGI-ERRORS 7
.Os
.Sh NAME
.Nm tsunagi-errors
.Nd codes of refusals and errors
.Sh DESCRIPTION
Every refusal has a code and a sentence.
Codes are part of the protocol: none is ever changed or reused.
Sentences never repeat what a message said.
.Bl -tag -width Ds
HEAD
sed -n 's/^ERR([A-Z0-9_]*, "\([^"]*\)", "\([^"]*\)", "\([^"]*\)")$/.It Li \1\n\3\n.br\n\2/p' \
    proto/base/err.def | sed '/^[A-Z].*\. [A-Z]/s/\. /.\n/'
cat <<'TAIL'
.El
.Sh SEE ALSO
.Xr tsunagi 1 ,
.Xr tsunagi-adapter 8 ,
.Xr tsunagid 8
TAIL
