#!/bin/bash
# test_man.sh - every public function has its manual page, and they format
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

man=$QUIRE_SOURCE/man
header=$QUIRE_SOURCE/include/quire/quire.h

# The line of NAME, where lexgrog and apropos look.
names() {
	sed -n '/^\.SH NAME/{n;p;}' "$1" | sed 's/ *\\-.*//; s/,/ /g'
}

documented=" $(for page in "$man"/*.3; do names "$page"; done | tr '\n' ' ') "
functions=$(sed -n 's/^QUIRE_API .*[ *]\(quire_[a-z_]*\)(.*/\1/p' "$header")
check "the header has functions" [ "$(echo "$functions" | wc -l)" -ge 30 ]
for function in $functions; do
	case $documented in
	*" $function "*) report ok "$function has a page" ;;
	*) report failed "$function has no page" ;;
	esac
	check "$function is installed under its name" \
		grep -q "'$function\.3'" "$man/meson.build"
done
for function in $documented; do
	check "$function is in the header" grep -q "[ *]$function(" "$header"
done

for page in "$man"/*.[137]; do
	name=$(basename "$page")
	check "$name formats without a warning" \
		[ -z "$(groff -man -ww -z -Tascii "$page" 2>&1)" ]
	check "$name is installed" grep -q "'$name'" "$man/meson.build"
done

sections="NAME SYNOPSIS DESCRIPTION RETURN.VALUE ERRORS NOTES EXAMPLE SEE.ALSO"
for page in "$man"/*.3; do
	for section in $sections; do
		check "$(basename "$page"): ${section/./ }" \
			grep -q "^\.SH $section" "$page"
	done
done

# A reference leads somewhere.
for reference in $(grep -ho '^\.BR quire[a-z_-]* ([137])' "$man"/*.[137] |
	sed 's/^\.BR //; s/ (\(.\))/.\1/' | sort -u); do
	name=${reference%.*}
	case "$documented" in
	*" $name "*) continue ;;
	esac
	check "$reference is there" [ -e "$man/$reference" ]
done
finish
