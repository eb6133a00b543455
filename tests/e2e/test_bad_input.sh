#!/bin/bash
# test_bad_input.sh - what cannot be done is a sentence, not a crash
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

make_file "$WORK/file" 10000

check_refused "no such file" 1 "No such file" "$QUIRE" cat "$WORK/nothing"
check_refused "a folder" 1 "directory" "$QUIRE" cat "$WORK"
check_refused "a device" 1 "cannot be mapped" "$QUIRE" cat /dev/null
mkfifo "$WORK/pipe"
check_refused "a pipe, and without waiting for it" 1 "cannot be mapped" \
	timeout 20 "$QUIRE" scan "$WORK/pipe"
check_refused "what the kernel makes up" 1 "makes it up" \
	"$QUIRE" cat /proc/version
check_refused "an unknown scheme" 1 "known" "$QUIRE" cat nosuch://host/x
check_refused "a wrong size" 1 "size" "$QUIRE" cat anon:lots
check_refused "a budget below one page" 2 "a budget of 4095 bytes" \
	"$QUIRE" cat --budget 4095 "$WORK/file"
check_refused "no budget" 2 "a budget of 0 bytes" \
	"$QUIRE" scan --budget 0 "$WORK/file"
check_refused "an empty name" 1 "No such file" "$QUIRE" cat ""

check_refused "no command" 2 "command" "$QUIRE"
check_refused "an unknown command" 2 "frobnicate" "$QUIRE" frobnicate
check_refused "no URI" 2 "URI" "$QUIRE" cat
check_refused "too many URIs" 2 "URI" "$QUIRE" cat a b
check_refused "an unknown option" 2 "'--wrong'" "$QUIRE" scan --wrong f
check_refused "an unknown letter" 2 "'-w'" "$QUIRE" scan -w f
check_refused "an option without its value" 2 "'--budget'" \
	"$QUIRE" cat "$WORK/file" --budget
check_refused "a value for a flag" 2 "'--json=1'" "$QUIRE" scan --json=1 f
for size in x 1X -1 +1 " 1" 1.5M 99999999999999999999 99999999T 1MM ""; do
	check_refused "the size '$size'" 2 "not a size" \
		"$QUIRE" cat "--budget=$size" "$WORK/file"
done
for count in 0 -1 x 1x 99999 4294967297 ""; do
	check_refused "the count '$count'" 2 "not a number" \
		"$QUIRE" scan "--threads=$count" "$WORK/file"
done
for pid in 0 -1 x 99999999999 ""; do
	check_refused "the process '$pid'" 2 "not the number of a process" \
		"$QUIRE" stat -- "$pid"
done

# No permission.  Root may read everything, so it becomes somebody else.
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
chmod 755 "$WORK"
if [ "$(id -u)" -ne 0 ]; then
	chmod 000 "$WORK/file"
	check_refused "no permission" 1 "Permission denied" \
		"$QUIRE" cat "$WORK/file"
	chmod 600 "$WORK/file"
elif "${as_nobody[@]}" "$QUIRE" version >/dev/null 2>&1; then
	chmod 600 "$WORK/file"
	check_refused "no permission" 1 "Permission denied" \
		"${as_nobody[@]}" "$QUIRE" cat "$WORK/file"
else
	note "nobody cannot run $QUIRE: permissions are not tested"
fi

# A full disk.  The mount is seen in a namespace of its own, and ends with it.
on_full_disk() {
	unshare -m bash -c '
		mkdir -p "$1/disk" &&
		mount -t tmpfs -o size=1m none "$1/disk" || exit 99
		cd "$1/disk" && shift && "$@"
		status=$?
		[ ! -e copy ] || echo "a half file is left" >&2
		exit $status' bash "$WORK" "$@"
}
make_file "$WORK/large" $((8 << 20))
if on_full_disk true 2>/dev/null; then
	check_refused "cp to a full disk" 1 "No space left" \
		on_full_disk "$QUIRE" cp "$WORK/large" copy
	check_refused "cat to a full disk" 1 "No space left" \
		on_full_disk bash -c '"$0" cat "$1" >output' "$QUIRE" \
		"$WORK/large"
else
	note "no mount to be had: a full disk is not tested"
fi

# A file that shrinks while it is mapped.  The pipe holds 64 KiB, so that cat
# is still near the beginning when the rest of the file goes away.
make_file "$WORK/shrinking" $((64 << 20))
mkfifo "$WORK/output"
"$QUIRE" cat --budget 1M "$WORK/shrinking" >"$WORK/output" 2>"$WORK/err" &
reader=$!
children+=("$reader")
exec 3<"$WORK/output"
head -c 4096 <&3 >/dev/null
truncate -s 64K "$WORK/shrinking"
cat <&3 >/dev/null
exec 3<&-
wait "$reader"
status=$?
check "a file that shrinks: status 1" [ "$status" -eq 1 ]
check "... and a sentence" one_sentence "cannot read .*shrinking"
[ "$status" -eq 1 ] || sed 's/^/# /' "$WORK/err"
finish
