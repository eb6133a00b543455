#!/bin/sh
# make-page.sh - the page of `quire run --report` becomes C
# SPDX-License-Identifier: MIT
#
# usage: make-page.sh FOLDER PAGE.html STYLE.css SCRIPT.js... > report_page.c
#
# FOLDER is the installed uplot package; "" or none: the page says that the
# plotting library is missing, and has tables only.  Two arrays of bytes come
# out: what precedes the data, and what follows.
set -eu

library=$1
page=$2
style=$3
shift 3

put_library() {
	[ -f "$library/dist/uPlot.iife.min.js" ] || return 0
	echo "/*! uPlot, https://github.com/leeoniya/uPlot"
	sed 's/\*\///' "$library/LICENSE"
	echo "*/"
	cat "$library/dist/uPlot.iife.min.js"
}

put_style() {
	[ ! -f "$library/dist/uPlot.min.css" ] ||
		cat "$library/dist/uPlot.min.css"
	cat "$style"
}

put_page() {
	while IFS= read -r line; do
		case $line in
		@STYLE@) put_style ;;
		@LIBRARY@) put_library ;;
		@SCRIPT@) cat "$@" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$page"
}

bytes() {
	echo "const unsigned char $1[] = {"
	od -v -An -tx1 | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
	echo "};"
	echo "const size_t $1_size = sizeof($1);"
}

# What would end the element early would break the page.
if cat "$@" | grep -qi '</script' || put_library | grep -qi '</script'; then
	echo "make-page.sh: a script holds </script" >&2
	exit 1
fi
echo "/* report_page.c - made by make-page.sh; do not edit */"
echo '#include "server/report_page.h"'
put_page "$@" | sed '/^@DATA@$/,$d' | bytes report_page_head
put_page "$@" | sed '1,/^@DATA@$/d' | bytes report_page_tail
