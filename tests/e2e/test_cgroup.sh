#!/bin/bash
# test_cgroup.sh - the budget, as the kernel counts memory
# SPDX-License-Identifier: MIT
#
# A file of 4 GiB is read through a mapping by a process that may have the
# budget and a little more, and is killed if it takes it.
. "$(dirname "$0")/lib.sh"

budget=$((64 << 20))
limit=$((budget + (24 << 20)))

[ "$(id -u)" -eq 0 ] || skip "a memory cgroup is root's to make"
[ -z "${QUIRE_CFLAGS-}" ] || skip "a sanitizer's own memory is too much"

group=
remove_group() {
	[ -z "$group" ] || rmdir "$group"
	cleanup
}
trap remove_group EXIT

put() {
	{ echo "$1" >"$2"; } 2>/dev/null
}

# Sets group, and the names of what is read and written there.
make_group() {
	local root=/sys/fs/cgroup

	if [ -f "$root/memory/memory.limit_in_bytes" ]; then
		group=$root/memory/quire-test-$$
		peak=memory.max_usage_in_bytes
		mkdir "$group" 2>/dev/null || return 1
		put "$limit" "$group/memory.limit_in_bytes" || return 1
		put "$limit" "$group/memory.memsw.limit_in_bytes"
	elif [ -f "$root/cgroup.subtree_control" ]; then
		group=$root/quire-test-$$
		peak=memory.peak
		put +memory "$root/cgroup.subtree_control"
		mkdir "$group" 2>/dev/null || return 1
		put "$limit" "$group/memory.max" || return 1
		put 0 "$group/memory.swap.max"
	else
		return 1
	fi
	return 0
}

make_group || {
	[ -d "$group" ] || group=
	skip "no memory cgroup can be made here"
}

# Real extents where the disk has room, and data all over it.
fallocate -l 4G "$WORK/large" 2>/dev/null || truncate -s 4G "$WORK/large" ||
	skip "no room for a file of 4 GiB"
for ((at = 0; at < 4096; at += 128)); do
	head -c 65536 /dev/urandom |
		dd of="$WORK/large" bs=1M seek=$at conv=notrunc status=none
done
sync "$WORK/large"

# inside COMMAND...: in the group from its first moment on
inside() {
	bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@"
}

field() {
	sed -n "s/^$1  *\([0-9.]*\).*/\1/p" "$WORK/out"
}

checksums=()
for threads in 1 4; do
	run inside "$QUIRE" scan --budget $budget --threads $threads \
		"$WORK/large"
	check "$threads thread(s): it comes to its end" [ "$status" -eq 0 ]
	check "... having read every page" \
		[ "$(field "pages read")" -ge $((1 << 20)) ]
	check "... within its budget" \
		[ "$(field "peak resident")" -le $budget ]
	checksums+=("$(field checksum)")
	note "the kernel counted $(cat "$group/$peak" 2>/dev/null ||
		echo "?") bytes at most; limit $limit, budget $budget"
done
check "the same checksum" [ "${checksums[0]}" = "${checksums[1]}" ]

# The limit is one: what needs more than that is killed.
run inside "$QUIRE" scan --budget 1G "$WORK/large"
check "a larger budget is killed here" [ "$status" -eq 137 ]
finish
