#!/bin/bash
# test_preload.sh - programs that map files, with quire run and without
# SPDX-License-Identifier: MIT
#
# Needs $QUIRE_PROGRAMS, the folder with the programs of preload/.
. "$(dirname "$0")/lib.sh"

: "${QUIRE_PROGRAMS:?is not set: the folder of the test programs}"
programs="advice bare_calls beyond children crowd descriptor_io descriptors forks
	handlers killed locks maps_reader meanwhile mutexes other_calls
	outlive past_end places refusals results robust standing stopped streams
	system_calls"
chmod 755 "$WORK"
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups
	env -u XDG_RUNTIME_DIR TMPDIR=/tmp)

# native NAME: in $WORK/native/NAME
native() {
	mkdir -p "$WORK/native/$1"
	run "$QUIRE_PROGRAMS/preload_$1" "$WORK/native/$1"
}

# A status of 0, and the files that it makes without us.
under() {
	local kind=$1 name=$2

	shift 2
	mkdir -p "$WORK/$kind/$name"
	chmod 777 "$WORK/$kind/$name"
	run "$@" "$QUIRE_PROGRAMS/preload_$name" "$WORK/$kind/$name"
	check "$kind: $name" [ "$status" -eq 0 ]
	if [ "$status" -ne 0 ]; then
		sed 's/^/#   /' "$WORK/err"
		return
	fi
	check "$kind: $name leaves the same files" \
		diff -r "$WORK/native/$name" "$WORK/$kind/$name"
	taken=$(sed -n 's/^quire: \([0-9]*\) file.*mapped.*/\1/p' "$WORK/err")
	check "$kind: $name had files mapped" [ "${taken:-0}" -gt 0 ]
}

for name in $programs; do
	native "$name"
	check "native: $name" [ "$status" -eq 0 ]
	under 8M "$name" "$QUIRE" run --budget 8M --
done

# Less than one of the files that it maps.
for name in descriptor_io forks past_end robust standing stopped \
	system_calls; do
	under 1M "$name" "$QUIRE" run --budget 1M --
done

native user
case $status in
0) under 8M user "$QUIRE" run --budget 8M -- ;;
77) note "skipped: user, for it has no rights to give up" ;;
*) report failed "native: user" ;;
esac

# Without the right to traps by the kernel or to events of forks.  What
# other_calls.c does needs the first.
if [ "$(id -u)" -eq 0 ]; then
	for name in $programs; do
		[ "$name" = other_calls ] && continue
		under unprivileged "$name" "${nobody[@]}" \
			"$QUIRE" run --budget 8M --
	done
else
	note "skipped: without privileges, for the others were"
fi

# What is sent is all ours: no bytes of the program's stack.
if type valgrind >/dev/null 2>&1; then
	mkdir "$WORK/valgrind"
	run timeout 100 "$QUIRE" run -- valgrind "$QUIRE_PROGRAMS/preload_places" \
		"$WORK/valgrind"
	check "valgrind was there" grep -q Memcheck "$WORK/err"
	refute "valgrind: no byte is sent that nobody wrote" \
		grep -q "sendmsg.*uninitialised" "$WORK/err"
else
	note "no valgrind: what is sent is not looked at"
fi

# Of a small write after the other each asks once; the file comes along with
# what is begun by a message.  Where the server cannot look at it without
# waiting (at_once.c) each asks twice.
case $(stat -f -c %T "$WORK") in
ext2/ext3 | xfs | btrfs | tmpfs)
	if type strace >/dev/null 2>&1; then
		mkdir "$WORK/asked"
		run "$QUIRE" run -- strace -f -o "$WORK/calls" -e sendmsg \
			"$QUIRE_PROGRAMS/preload_standing" "$WORK/asked"
		check "asked: status 0" [ "$status" -eq 0 ]
		check "asked: more than a thousand times" \
			[ "$(grep -c sendmsg "$WORK/calls")" -gt 1000 ]
		check "asked: most writes ask once" \
			[ "$(grep -c SCM_RIGHTS "$WORK/calls")" -lt 700 ]
	else
		note "no strace: how often is asked is not looked at"
	fi
	;;
esac

# A bound path: what another file holds.  Natively it is a link.
mkdir -p "$WORK/native/bound" "$WORK/8M/bound"
python3 - "$WORK/native/bound/real" "$WORK/8M/bound/real" <<'PYTHON'
import sys
for name in sys.argv[1:]:
    with open(name, "wb") as file:
        file.write(bytes((i // 4096 * 7 + i % 251 + 1) & 255
                         for i in range(64 * 4096)))
PYTHON
ln -s real "$WORK/native/bound/bound"
native bound
check "native: bound" [ "$status" -eq 0 ]
run "$QUIRE" run --bind "$WORK/8M/bound/bound=$WORK/8M/bound/real" -- \
	"$QUIRE_PROGRAMS/preload_bound" "$WORK/8M/bound"
check "8M: bound" [ "$status" -eq 0 ]
check "8M: bound leaves the same file" \
	cmp "$WORK/native/bound/real" "$WORK/8M/bound/real"

# Without a server everything is libc's, and one sentence says so.
library=$QUIRE_BUILD/preload/libquire-preload.so
mkdir "$WORK/alone"
run env LD_PRELOAD="$library" QUIRE_SOCKET="$WORK/nobody" \
	"$QUIRE_PROGRAMS/preload_descriptor_io" "$WORK/alone"
check "no server: status 0" [ "$status" -eq 0 ]
check "no server: it is said" one_sentence "no server at $WORK/nobody"
run env LD_PRELOAD="$library" "$QUIRE_PROGRAMS/preload_places" "$WORK/alone"
check "no socket: status 0" [ "$status" -eq 0 ]
check "no socket: nothing is said" [ ! -s "$WORK/err" ]
refute "it needs no library of ours" \
	grep -q libquire.so <(readelf -d "$library")

finish
