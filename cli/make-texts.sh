#!/bin/sh
# make-texts.sh - the page and the lessons of `quire explain` become C
# SPDX-License-Identifier: MIT
#
# usage: make-texts.sh PAGE.html LESSON.quire... > explain_page.h
#
# Each text turns into one array of lines, the last NULL; the lessons get a
# table with their names, in the order given.
set -eu

lines() {
	sed -e 's/[\\"]/\\&/g' -e 's/??/?\\?/g' -e 's/	/\\t/g' \
		-e 's/.*/	"&",/' "$1"
	echo "	NULL,"
	echo "};"
}

echo "/* explain_page.h - made by make-texts.sh; do not edit */"
echo "#include <stddef.h>"
echo "static const char *const explain_page[] __attribute__((unused)) = {"
lines "$1"
shift
for lesson in "$@"; do
	name=$(basename "$lesson" .quire | tr - _)
	echo "static const char *const lesson_$name[] __attribute__((unused)) = {"
	lines "$lesson"
done
echo "static const struct lesson {"
echo "	const char *name;"
echo "	const char *const *lines;"
echo "} lessons[] __attribute__((unused)) = {"
for lesson in "$@"; do
	name=$(basename "$lesson" .quire)
	echo "	{ \"$name\", lesson_$(echo "$name" | tr - _) },"
done
echo "};"
