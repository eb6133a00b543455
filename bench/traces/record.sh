#!/bin/bash
# record.sh - the traces of real programs, made again
# SPDX-License-Identifier: MIT
#
# record.sh BUILD [NAME...]
#
# Makes each program's data, runs the program on them as it is and under the
# recorder (BUILD/bench/trace-record.so), compares what it says, and writes the
# trace NAME.xz beside this file.  Without names: all of them, in a minute.  Takes
# half a GiB in TMPDIR.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
recorder=$(realpath "$1")/bench/trace-record.so
shift
python=/usr/bin/python3 # the one that Debian's packages are for
names=(sqlite-points sqlite-join lmdb bisect numpy ripgrep git-read git-fsck)
[ $# -eq 0 ] || names=("$@")

WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/quire-traces.XXXXXX")
trap 'chmod -R u+w "$WORK"; rm -rf "$WORK"' EXIT

# Nothing of the user's settings may be in the traces.
export HOME=$WORK LC_ALL=C TZ=UTC PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
export GIT_CONFIG_NOSYSTEM=1
unset XDG_CONFIG_HOME RIPGREP_CONFIG_PATH LD_PRELOAD

plain_git() {
	git -c pack.threads=1 -c grep.threads=1 -c gc.auto=0 \
		-c core.commitGraph=false "$@"
}

make_git() {
	git init -q --bare -b main pack.git
	"$python" "$here/work.py" make git |
		plain_git -C pack.git fast-import --quiet
	plain_git -C pack.git repack -q -a -d -f --window=10
}

make_data() {
	if [ "$1" = git ]; then
		make_git
	else
		"$python" "$here/work.py" make "$1"
	fi
}

search() {
	rg --no-config --mmap -j 1 --sort path "$@" | sha256sum
}

# One who looks for something in all texts and mostly in a few folders.
run_ripgrep() {
	local round

	for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		search -c "winter 0*$round" . || true # finds nothing
		search -n 'river stone' folder03
		search -n 'lantern .* cloud' folder03 folder07
		search -c 'copper' folder0*
		search -o 'feather s\w+' folder07
		search -c 'meadow winter' folder12
	done
}

# One who reads the history: of all, then of a few files.
run_git_read() {
	local path

	cd pack.git
	plain_git log --stat -500 main | sha256sum
	for path in part00/section0/0 part01/section1/41 part02/section2/82 \
		part00/section5/1000; do
		plain_git blame main -- $path.txt | sha256sum
		plain_git log -p main -- $path.txt | sha256sum
	done
	plain_git grep -c 'river.*stone' main | sha256sum
	plain_git archive main | sha256sum
}

run_git_fsck() {
	plain_git -C pack.git fsck --full --no-progress
}

run_work() {
	case $1 in
	ripgrep) run_ripgrep ;;
	git-read) run_git_read ;;
	git-fsck) run_git_fsck ;;
	*) "$python" "$here/work.py" run "${1//-/_}" ;;
	esac
}

# write_trace RAW NAME: see struct record of record.c
write_trace() {
	local count

	count=$(od -An -tu4 -N4 "$1" | tr -d ' ')
	od -An -v -tu4 -w4 -j4 -N$((4 * count)) "$1" | tr -d ' ' >"$WORK/list"
	xz -9e -c "$WORK/list" >"$here/$2.xz"
	echo "$2: $count touches of $(sort -u "$WORK/list" | wc -l) pages," \
		"the last is $(sort -n "$WORK/list" | tail -n 1)," \
		"$(stat -c %s "$here/$2.xz") bytes"
}

for name in "${names[@]}"; do
	data=$WORK/${name%%-*} raw=$WORK/$name.raw
	if [ ! -d "$data" ]; then
		mkdir "$data"
		(cd "$data" && make_data "${name%%-*}")
	fi
	(cd "$data" && run_work "$name") >"$WORK/alone" 2>&1
	(cd "$data" && LD_PRELOAD=$recorder TRACE_RAW=$raw && export LD_PRELOAD \
		TRACE_RAW && run_work "$name") >"$WORK/recorded" 2>&1
	cmp "$WORK/alone" "$WORK/recorded"
	write_trace "$raw" "$name"
	rm "$raw"
done
