#!/bin/bash
# lmdb.sh - LMDB: written through descriptors or the map, by several processes
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

"$python" -c 'import lmdb' 2>/dev/null || skip "no python3-lmdb"
have mdb_dump || skip "no lmdb-utils"

count=$(quick_or_full 5000 40000)

# What is in the database FOLDER, as LMDB's own programs see it.
look() {
	mdb_stat -a "$1" && mdb_dump -a "$1"
}

# Loaded from the dump, it is the same again; copied, too.
round() {
	mkdir -p loaded copied
	mdb_dump -a database >dumped && mdb_load -f dumped loaded 2>loading &&
		mdb_dump -a loaded >again && cmp dumped again &&
		mdb_copy -c database copied && mdb_dump -a copied >again &&
		cmp dumped again
}

# Free pages keep what they had, and the lock file names processes.
forget_places() {
	rm ./*/lock.mdb ./*/data.mdb
}

prepare_write() {
	:
}

work_write() {
	"$python" "$programs/lmdb_work.py" write "$count" && look database &&
		round && forget_places
}

prepare_writemap() {
	:
}

work_writemap() {
	"$python" "$programs/lmdb_work.py" writemap "$count" &&
		look database && round && forget_places
}

prepare_processes() {
	:
}

work_processes() {
	"$python" "$programs/lmdb_work.py" processes "$count" &&
		mdb_dump -a database && forget_places
}

# The lock file, which holds mutexes that processes share, is taken as well.
prepare_locks() {
	:
}

work_locks() {
	"$python" "$programs/lmdb_work.py" processes $((count / 4)) 3000 &&
		mdb_dump -a database && forget_places
}

cases() {
	local budgets

	budgets=$(quick_or_full "1M" "64M 16M 4M")
	compare write "$budgets"
	compare writemap "$budgets"
	compare processes "$budgets"
	compare locks "$(quick_or_full "512K" "64M 2M")"
}

main "$@"
