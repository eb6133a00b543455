#!/bin/bash
# programs.sh - programs as they are, natively and under `quire run`
# SPDX-License-Identifier: MIT
#
# programs.sh BUILD FOLDER FILE [BUDGET]
#
# Each works on data of its own, made of FILE, once by itself and once within
# BUDGET (64M) of page cache for its mappings.  What they print and the files
# that they leave must be the same, byte by byte.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
folder=$2/programs
file=$(realpath "$3")
budget=${4:-64M}
failed=0

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
trap 'rm -rf "$folder"' EXIT

# Each is copied for every run.
head -c $((256 << 20)) "$file" >"$folder/data"

work() {
	case $1 in
	python3) "$python" "$here/analyse.py" data ;;
	sqlite) "$python" "$here/database.py" base 300000 && sha256sum base ;;
	ripgrep) rg --mmap -a -c -j 2 'int|size' data ;;
	git) head -c 67108864 data >part && git init -q . && git add part && git -c user.name=n \
		-c user.email=e -c gc.auto=0 commit -qm part --date 2000-01-01 &&
		git -c core.packedGitWindowSize=1m repack -adq && git fsck --full &&
		git cat-file blob :part | sha256sum ;;
	esac
}
export -f work
# A wrapper that starts others first would only be in the way.
python=$(python3 -c 'import sys; print(sys.executable)') || python=
export here python

prepare() {
	rm -rf "$folder/$1"
	mkdir "$folder/$1"
	cp --reflink=auto "$folder/data" "$folder/$1/data"
}

# seconds COMMAND...: runs it, and leaves the time in $seconds
timed() {
	local before after

	before=$(date +%s%N)
	"$@"
	after=$(date +%s%N)
	seconds=$(awk "BEGIN { printf \"%.1f\", ($after - $before) / 1e9 }")
}

natively() {
	(cd "$folder/native" && bash -c "work $1" >../native.out 2>&1)
}

under_quire() {
	(cd "$folder/quire" && "$build/quire" run --budget "$budget" \
		--stats ../stats.json -- bash -c "work $1" \
		>../quire.out 2>../quire.err)
}

same_files() {
	diff -r --exclude=.git "$folder/native" "$folder/quire" >/dev/null &&
		cmp -s "$folder/native.out" "$folder/quire.out"
}

# The total that the statistics have for a name
statistic() {
	python3 - "$folder/stats.json" "$1" <<'END'
import json
import sys

found = json.load(open(sys.argv[1]))
print(eval(sys.argv[2], {"run": found}))
END
}

show() {
	local verdict=equal native mapped peak

	prepare native
	prepare quire
	timed natively "$1"
	native=$seconds
	timed under_quire "$1" || verdict="FAILED"
	same_files || verdict="DIFFERENT"
	[ "$verdict" = equal ] || failed=1
	printf '  %-10s %8s s %8s s   %-10s' "$1" "$native" "$seconds" "$verdict"
	statistic '"%5.0f MiB mapped, %4.0f MiB in memory at most, %d traps" % (
		sum(f["mapped_peak"] for f in run["files"]) / 2**20,
		run["resident_peak"] / 2**20,
		sum(f["hits"] + f["misses"] for f in run["files"]))'
	[ "$verdict" = equal ] || cat "$folder/quire.err"
}

echo
echo "quire run --budget $budget -- program: as it is, against itself"
printf '  %-10s %10s %10s   %s\n' program natively "with Quire" results
for program in python3:python3 sqlite:python3 ripgrep:rg git:git; do
	if command -v "${program#*:}" >/dev/null; then
		show "${program%:*}"
	else
		echo "  ${program%:*}: not installed"
	fi
done
exit "$failed"
