#!/bin/bash
# ripgrep.sh - rg --mmap over large texts, in one thread and in four
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

have rg || skip "no ripgrep"

mib=$(quick_or_full 16 96)

prepare_search() {
	"$python" "$programs/corpus.py" "$mib"
}

# 1 is "nothing found", which one of them wants.
work_search() {
	rg --mmap --sort path -n 'needle [0-9]+7\b' . || return
	rg --mmap --sort path -c 'stone\s+river' . || return
	rg --mmap --sort path -U --multiline-dotall -o -b \
		'needle 1[0-9]*5\n[^\n]*' . || return
	rg --mmap -j 4 -c 'LANTERN' -i . | sort
	rg --mmap -j 4 --no-heading -o -b 'copper meadow' . | sort | sha256sum
	rg --mmap --sort path 'not to be found' .
	[ $? -eq 1 ] || return 3
	# The same without a map.
	rg --no-mmap --sort path -n 'needle [0-9]+7\b' . | sha256sum
	rg --mmap --sort path -n 'needle [0-9]+7\b' . | sha256sum
}

cases() {
	compare search "$(quick_or_full "32M 1M" "128M 10M 2M")"
}

main "$@"
