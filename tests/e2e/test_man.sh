#!/bin/bash
# test_man.sh - all that is public is in the manual, and its pages format
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
done
for name in $documented; do
	check "$name is in the header" \
		grep -q -e "[ *]$name(" -e "^struct $name {" "$header"
	check "$name is installed under its name" \
		grep -q "'$name\.3'" "$man/meson.build"
done

# The header without its comments.
code() {
	awk '{
		for (;;) {
			if (inside) {
				end = index($0, "*/")
				if (!end) { $0 = ""; break }
				$0 = substr($0, end + 2)
				inside = 0
			}
			start = index($0, "/*")
			if (!start) break
			rest = substr($0, start + 2)
			end = index(rest, "*/")
			$0 = substr($0, 1, start - 1)
			if (!end) { inside = 1; break }
			$0 = $0 substr(rest, end + 2)
		}
		print
	}' "$header"
}

# "STRUCT FIELD" for each field of each struct.
fields() {
	code | awk '
		/^struct [a-z_]+ {/ { name = $2; next }
		/^};/ { name = "" }
		name != "" {
			text = text $0
			while (i = index(text, ";")) {
				field = substr(text, 1, i - 1)
				text = substr(text, i + 1)
				if (match(field, /\(\*[a-z_]+\)/))
					field = substr(field, RSTART + 2,
						       RLENGTH - 3)
				sub(/.*[^a-z_]/, "", field)
				print name, field
			}
		}'
}

constants=$(code | sed -n '/^enum /,/^}/p' | grep -o '\<QUIRE_[A-Z_0-9]*'
	code | sed -n 's/^#define \(QUIRE_[A-Z_]*\) .*/\1/p' |
		grep -vx QUIRE_API)
check "the header has constants" [ "$(echo "$constants" | wc -l)" -ge 50 ]
for constant in $constants; do
	check "$constant is in the manual" \
		grep -qw "$constant" "$man"/*.[37]
done

check "the header has structs" [ "$(fields | wc -l)" -ge 80 ]
while read -r struct field; do
	# shellcheck disable=SC2046 # names of pages have no blanks
	check "$field of $struct is in the manual" \
		grep -qw "$field" /dev/null \
		$(grep -lw "$struct" "$man"/*.3)
done <<< "$(fields)"

for page in "$man"/*.[137]; do
	name=$(basename "$page")
	check "$name formats without a warning" \
		[ -z "$(groff -man -ww -z -Tascii "$page" 2>&1)" ]
	check "$name is installed" grep -q "'$name'" "$man/meson.build"
	check "$name is in the table" grep -q "\`$name\`" "$man/README.md"
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
