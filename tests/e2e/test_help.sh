#!/bin/bash
# test_help.sh - --help is the manual page
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

manual() {
	groff -man -Tascii -P-cbou -rLL=78n -rHY=0 -rcR=1 "$1"
}

run "$QUIRE" help
check "help: status 0" [ "$status" -eq 0 ]
for page in "$QUIRE_SOURCE"/man/quire-*.1; do
	command=$(basename "$page" .1)
	command=${command#quire-}
	check "$command is in the list" grep -q "^  $command " "$WORK/out"
done

for page in "$QUIRE_SOURCE"/man/quire-*.1; do
	command=$(basename "$page" .1)
	command=${command#quire-}
	manual "$page" >"$WORK/page"
	check "$command: the page has text" [ -s "$WORK/page" ]
	run "$QUIRE" "$command" --help
	check "$command --help is its page" same_output "$WORK/page"
	run "$QUIRE" help "$command"
	check "help $command is its page" same_output "$WORK/page"
	run "$QUIRE" "$command" -h
	check "$command -h is its page" same_output "$WORK/page"
done

manual "$QUIRE_SOURCE/man/quire.1" >"$WORK/page"
for command in help version; do
	run "$QUIRE" "$command" --help
	check "$command --help is quire's page" same_output "$WORK/page"
done

# All that a command takes stands in its page.
for option in budget random threads verify json; do
	run "$QUIRE" help scan
	check "scan's page knows --$option" grep -q -e "--$option" "$WORK/out"
done

check_refused "help for nothing" 2 "no command 'nothing'" \
	"$QUIRE" help nothing
run "$QUIRE" version
check "version: three numbers" \
	grep -Eqx 'quire [0-9]+\.[0-9]+\.[0-9]+' "$WORK/out"
check_refused "a full disk" 1 "standard output" \
	bash -c '"$0" help >/dev/full' "$QUIRE"
finish
