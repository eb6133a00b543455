#!/bin/sh
# make-help.sh - manual pages become the text that `quire help` prints
# SPDX-License-Identifier: MIT
#
# usage: make-help.sh PAGE.1... > help_text.h
#
# Each page turns into one array of lines, help_scan for quire-scan.1 and
# help_quire for quire.1.  The page is the only source: --help cannot differ
# from it.  tests/e2e/test_help.sh formats it in the same way and compares.
set -eu

format() {
	groff -man -Tascii -P-cbou -rLL=78n -rHY=0 -rcR=1 "$1"
}

echo "/* help_text.h - made by make-help.sh from man/; do not edit */"
for page in "$@"; do
	name=$(basename "$page" .1)
	echo "static const char *const help_${name#quire-}[] = {"
	# set -e does not see a failure in the middle of a pipe
	text=$(format "$page")
	printf '%s\n' "$text" |
		sed -e 's/[\\"]/\\&/g' -e 's/.*/	"&",/'
	echo "	NULL,"
	echo "};"
done
