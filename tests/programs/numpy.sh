#!/bin/bash
# numpy.sh - numpy.memmap: created, updated at random, sorted, private
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

"$python" -c 'import numpy' 2>/dev/null || skip "no python3-numpy"

mib=$(quick_or_full 4 64)

prepare_memmap() {
	:
}

work_memmap() {
	"$python" "$programs/numpy_work.py" "$mib"
}

cases() {
	compare memmap "$(quick_or_full "8M 512K" "128M 16M 6M")"
}

main "$@"
