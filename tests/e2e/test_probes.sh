#!/bin/bash
# test_probes.sh - the trace points that quire(7) promises are in the library
# SPDX-License-Identifier: MIT
set -u

library=$QUIRE_BUILD/libquire.so
printf '#include <sys/sdt.h>\n' | "${CC:-cc}" -E -x c -o /dev/null - \
	2>/dev/null || exit 77
command -v readelf >/dev/null || exit 77

notes=$(readelf -n "$library") || exit 1
failed=0
# point NAME COUNT: it is there, with so many arguments
point() {
	local arguments

	arguments=$(grep -A2 "Name: $1\$" <<<"$notes" |
		sed -n 's/^ *Arguments: //p' | head -n 1 | wc -w)
	if [ "$arguments" -ne "$2" ]; then
		echo "$1: $arguments arguments, not $2"
		failed=1
	fi
}

point trap 2
point install 3
point read 3
point write 3
point evict 3
if grep 'Provider:' <<<"$notes" | grep -v 'quire$'; then
	echo "a point of somebody else's"
	failed=1
fi
exit $failed
