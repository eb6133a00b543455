#!/bin/bash
# test_full_disk.sh - quire run: files on a full disk, and files on others
# SPDX-License-Identifier: MIT
#
# The full disk is a tmpfs, in a namespace that ends with the test.
if [ -z "${QUIRE_NAMESPACE-}" ]; then
	for way in "" --map-root-user; do
		unshare --mount $way true 2>/dev/null &&
			QUIRE_NAMESPACE=1 exec unshare --mount $way \
				"$BASH" "$0" "$@"
	done
fi

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/run_lib.sh"

: "${QUIRE_PROGRAMS:?is not set: the folder of the test programs}"
program=$QUIRE_PROGRAMS/preload_full_disk
small=$WORK/small
export XDG_RUNTIME_DIR=$WORK/runtime
mkdir -m 0700 "$XDG_RUNTIME_DIR"
mkdir "$small" "$WORK/other"
mount -t tmpfs -o size=4M none "$small" 2>/dev/null ||
	skip "no file system can be mounted"
trap 'umount -l "$small"; cleanup' EXIT

# fill: all but 64 KiB
fill() {
	rm -f "$small"/*
	head -c $((4096 * 1024 - 65536)) /dev/zero >"$small/filler"
}

fill
run "$program" "$small" "$WORK/other"
check "native: a signal, and all goes on when there is room" is_status 0

# The budget is below what the disk has free in the end.
for budget in 1M 2M; do
	fill
	run "$QUIRE" run --quiet --budget $budget -- \
		"$program" "$small" "$WORK/other"
	check "$budget: the same" is_status 0
	check "$budget: it is said" says "could not be written: No space left"
done

finish
