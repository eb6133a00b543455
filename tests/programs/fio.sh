#!/bin/bash
# fio.sh - fio --ioengine=mmap, each byte verified
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

have fio || skip "no fio"

mib=$(quick_or_full 16 64)

# Only what does not depend on speed is for comparing: the errors.
quiet_fio() {
	fio --ioengine=mmap --directory=. --randseed=7 --allrandrepeat=1 \
		--fallocate=none --eta=never --output=said \
		--output-format=json "$@" || return
	"$python" -c 'import json
for job in json.load(open("said"))["jobs"]:
    print(job["jobname"], job["error"],
          job["read"]["total_ios"], job["write"]["total_ios"])'
	rm said
}

nothing() {
	:
}

# The bytes are the places where they stand.
prepare_pattern() { nothing; }
work_pattern() {
	local kind

	for kind in write randwrite randrw; do
		quiet_fio --name=$kind --rw=$kind --bs=4k --size="${mib}m" \
			--verify=pattern --verify_pattern='%o' --do_verify=1 \
			--filename=data || return
	done
	quiet_fio --name=large --rw=randwrite --bs=36k --size="${mib}m" \
		--verify=pattern --verify_pattern=0x1234abcd%o \
		--do_verify=1 --fsync=32 --filename=data
}

# Checksums with the time in them, several processes and threads.
prepare_checksum() { nothing; }
work_checksum() {
	quiet_fio --name=processes --numjobs=3 --rw=randwrite --bs=8k \
		--size=$((mib / 2))m --verify=crc32c --do_verify=1 || return
	quiet_fio --name=threads --thread --numjobs=3 --rw=randrw \
		--bsrange=4k-64k --size=$((mib / 2))m --verify=xxhash \
		--verify_backlog=64 || return
	rm -f processes.* threads.*
}

cases() {
	local budgets

	budgets=$(quick_or_full "1M" "128M 16M 4M")
	compare pattern "$budgets"
	compare checksum "$budgets"
}

main "$@"
