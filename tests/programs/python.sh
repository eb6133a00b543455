#!/bin/bash
# python.sh - Python's mmap module, by its own test suite
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

"$python" -c 'import test.test_mmap' 2>/dev/null ||
	skip "no libpython3-testsuite"

# The names of its temporary folders hold the process, the last line the time.
without_chance() {
	grep -E '^(test_|FAIL|ERROR|OK|SUCCESS|Tests result|[A-Za-z]*Error)' |
		sed -E 's/[0-9.]+ (sec|ms)//'
}

prepare_small() {
	:
}

work_small() {
	"$python" -m test -v test_mmap | without_chance
	return "${PIPESTATUS[0]}"
}

prepare_large() {
	:
}

# Files of 6 GiB with holes.
work_large() {
	"$python" -m test -v -u largefile -m 'LargeMmapTests' test_mmap |
		without_chance
	return "${PIPESTATUS[0]}"
}

cases() {
	compare small "$(quick_or_full "1M" "64M 1M 64K")" --least 1
	compare large "$(quick_or_full "4M" "64M 4M")"
}

main "$@"
