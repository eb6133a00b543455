#!/bin/bash
# check.sh - verifies the models, and that each mistake put back is found
# SPDX-License-Identifier: MIT
#
# check.sh [quick|good|bad|all]
#
#   quick  what fits in a minute: the small models whole, and of the page's
#          protocol the small configurations and mistakes found at once
#   good   the models without a mistake: each must be verified to the end
#   bad    each mistake alone: an error must be found
#   all    good and bad
#
# Wants spin and gcc; good wants 3 GB of memory and about twelve minutes.  Prints
# a line for each run; exit status 1 if one is not as it should be.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

jobs=$(nproc)
number=0
# The longest path, and the size of the hash table: of all but good_page.
depth=1000000
table=20

# verify WANTED FILE FLAG...: WANTED is ok (no error) or error
verify() {
	local wanted=$1 file=$2 d=$3 out states seconds found verdict
	shift 3

	cp "$here/$file" "$d/model.pml"
	cd "$d" || return
	spin -a "$@" model.pml >spin.out 2>&1 &&
		gcc -O1 -w -DSAFETY -DHC4 -DNOFIX -DMEMLIM=3000 -o pan pan.c \
			>gcc.out 2>&1 && ./pan -m"$depth" -w"$table" >out 2>&1
	out=$(cat out 2>/dev/null)
	states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' <<<"$out")
	seconds=$(sed -n 's/.*elapsed time \([0-9.]*\) .*/\1/p' <<<"$out")
	found=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' <<<"$out")
	verdict=FAILED
	if [ "$wanted" = ok ] && [ "$found" = 0 ]; then
		verdict=ok
		grep -q 'not completed\|search depth too\|reached limit' \
			<<<"$out" && verdict='NOT COMPLETE'
	elif [ "$wanted" = error ] && [ "${found:-0}" -gt 0 ]; then
		verdict=ok
	fi
	printf '%-12s %-5s %10s states %7s s  %s %s\n' "$verdict" "$wanted" \
		"${states:-none}" "${seconds:-?}" "$file" "$*"
	[ "$verdict" = ok ] || touch "$scratch/failed"
}

# run WANTED FILE FLAG...: as many at a time as there are processors
run() {
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	number=$((number + 1))
	mkdir "$scratch/$number"
	(
		verify "$1" "$2" "$scratch/$number" "${@:3}"
		rm -rf "${scratch:?}/$number"
	) &
}

good_small() {
	run ok dirty.pml
	run ok budget.pml
	run ok budget.pml -DROOM=2
	run ok budget.pml -DCLOCK -DROOM=2
	run ok budget.pml -DBOUND
	run ok budget.pml -DBOUND -DCUT -DCLOCK
	run ok budget.pml -DBOUND -DSTUCK
	run ok foreign.pml
	run ok foreign.pml -DLOCKED
	run ok foreseen.pml -DCOPIES
	run ok foreseen.pml -DSLOTS
	run ok foreseen.pml -DFLUSHER
	run ok foreseen.pml -DBESIDE
	run ok foreign.pml -DSTANDS
	run ok foreign.pml -DSTANDS -DLOCKED
	run ok lodged.pml
	run ok lodged.pml -DGAP
	run ok lodged.pml -DDROPS
	run ok lodged.pml -DGAP -DDROPS
	run ok hazard.pml -DEVICT
	run ok hazard.pml -DAWAIT
	run ok hazard.pml -DCLOSE
	run ok rwlock.pml -DREADERS=2 -DWRITERS=2 -DTIMES=1
	run ok rwlock.pml -DREADERS=1 -DWRITERS=3 -DTIMES=1
	run ok rwlock.pml -DREADERS=3 -DWRITERS=1 -DTIMES=1
	run ok rwlock.pml -DREADERS=1 -DWRITERS=2
	run ok page.pml -DNHAND=1 -DSPLIT -DANNOUNCE=1
	run ok page.pml -DNHAND=1 -DSPLIT -DGAP
	run ok page.pml -DNHAND=1 -DSPLIT -DSELF
	run ok page.pml -DNHAND=1 -DSPLIT -DSHOWN
	run ok page.pml -DNHAND=1 -DSPLIT -DFILLED
	run ok page.pml -DNHAND=1 -DSPLIT -DBESIDE
	run ok page.pml -DNHAND=1 -DTRUNC -DSPLIT -DNOEVICT
	run ok page.pml -DNHAND=1 -DDISC -DSPLIT -DNOEVICT
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE -DREMAP
	run ok page.pml -DNHAND=1 -DSPLIT -DWHOLE
	run ok page.pml -DNHAND=1 -DSPLIT -DWHOLE -DSELF
}

good_page() {
	depth=3000000
	table=24
	run ok foreseen.pml -DSLOTS -DBESIDE
	run ok foreseen.pml -DFLUSHER -DBESIDE
	run ok hazard.pml -DCLOSE -DCROSS
	run ok hazard.pml -DAWAIT -DPIN=2
	run ok hazard.pml -DAWAIT -DNEW=2
	run ok page.pml -DNHAND=1 -DSPLIT -DANNOUNCE=2
	run ok page.pml -DNHAND=1 -DSPLIT -DONESTORE -DANNOUNCE=1 -DTRUNC
	run ok page.pml -DNHAND=1 -DSPLIT -DONESTORE -DANNOUNCE=1 -DDISC \
		-DNOEVICT
	run ok page.pml -DSPLIT
	run ok page.pml -DSPLIT -DRFAIL
	run ok page.pml -DSAME
	run ok page.pml -DNHAND=1
	run ok page.pml -DNHAND=1 -DPRIV
	run ok page.pml -DNHAND=1 -DGAP
	run ok page.pml -DNHAND=1 -DGAP -DPINS -DSAME
	run ok page.pml -DNHAND=1 -DGAP -DTRUNC -DSPLIT
	run ok page.pml -DSPLIT -DSHOWN
	run ok page.pml -DNHAND=1 -DSHOWN
	run ok page.pml -DNHAND=1 -DSHOWN -DTRUNC -DSPLIT
	run ok page.pml -DNHAND=1 -DSHOWN -DREMAP -DSPLIT
	run ok page.pml -DNHAND=1 -DSHOWN -DRFAIL -DSPLIT
	run ok page.pml -DNHAND=1 -DSELF
	run ok page.pml -DNHAND=1 -DSELF -DGAP -DTRUNC -DSPLIT
	run ok page.pml -DNHAND=1 -DSELF -DDISC -DSPLIT
	run ok page.pml -DNHAND=1 -DFILLED
	run ok page.pml -DNHAND=1 -DFILLED -DREMAP -DSPLIT
	run ok page.pml -DNHAND=1 -DFILLED -DRFAIL -DSPLIT
	run ok page.pml -DNHAND=1 -DFILLED -DTRUNC -DSPLIT
	run ok page.pml -DNHAND=1 -DFILLED -DDISC -DSPLIT
	run ok page.pml -DNHAND=1 -DBESIDE
	run ok page.pml -DNHAND=1 -DBESIDE -DTRUNC -DSPLIT
	run ok page.pml -DNHAND=1 -DREMAP
	run ok page.pml -DNHAND=1 -DRFAIL
	run ok page.pml -DNHAND=1 -DWFAIL
	run ok page.pml -DNHAND=1 -DPINS -DSAME
	run ok page.pml -DNHAND=1 -DMSYNC -DNOEVICT
	run ok page.pml -DNHAND=1 -DMSYNC -DNOEVICT -DSPLIT -DWFAIL
	run ok page.pml -DNHAND=1 -DTRUNC -DSAME -DNOEVICT
	run ok page.pml -DNHAND=1 -DTRUNC -DSPLIT
	run ok page.pml -DNHAND=1 -DTRUNC -DSPLIT -DNOEVICT -DPINS
	run ok page.pml -DNHAND=1 -DDISC -DSPLIT
	run ok page.pml -DNHAND=1 -DDISC -DSPLIT -DNOEVICT -DPINS
	run ok page.pml -DSPLIT -DWHOLE
	run ok page.pml -DNHAND=1 -DWHOLE
	run ok page.pml -DNHAND=1 -DSPLIT -DWHOLE -DRFAIL
	run ok page.pml -DNHAND=1 -DSPLIT -DWHOLE -DGAP
	run ok page.pml -DNHAND=1 -DSPLIT -DWHOLE -DFILLED
	run ok page.pml -DNHAND=1 -DSPLIT -DWHOLE -DLODGE
	run ok page.pml -DNHAND=1 -DSPLIT -DWHOLE -DPINS
	run ok page.pml -DNHAND=1 -DSPLIT -DWHOLE -DTRUNC -DNOEVICT
	run ok page.pml -DNHAND=1 -DSPLIT -DWHOLE -DDISC
	run ok page.pml -DSPLIT -DLODGE
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE=2
	run ok page.pml -DNHAND=1 -DLODGE
	run ok page.pml -DNHAND=1 -DLODGE -DSELF
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE -DREMAP -DGAP
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE=2 -DREMAP -DSELF
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE -DREMAP -DANNOUNCE=1
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE -DREMAP -DTRUNC -DNOEVICT
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE -DREMAP -DDISC
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE -DSELF -DGAP -DTRUNC
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE -DSELF -DGAP -DDISC
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE -DPINS
	run ok page.pml -DNHAND=1 -DSPLIT -DLODGE=2 -DPINS -DSELF
	run ok page.pml -DNHAND=1 -DSPLIT -DONESTORE -DLODGE -DPINS -DREMAP \
		-DNOEVICT
	run ok page.pml -DNHAND=1 -DSPLIT -DONESTORE -DLODGE -DPINS -DTRUNC \
		-DNOEVICT
}

bad_small() {
	local mistake

	for mistake in MARKLATE MARKAFTER LEAVELATE WORDONLY CUTBIT PUTLATE; do
		run error dirty.pml -DV_$mistake
	done
	for mistake in NOLOOK LATENOTE NOCOMPARE SAMESEQ EARLYLOOK NOTELL; do
		run error budget.pml -DV_$mistake
	done
	run error budget.pml -DV_TWOHANDS -DCLOCK
	for mistake in BLIND WAKEFIRST; do
		run error budget.pml -DBOUND -DV_$mistake
	done
	run error budget.pml -DBOUND -DCUT -DV_NOCLOCK
	for mistake in BOUNDONLY ROOMONLY; do
		run error budget.pml -DBOUND -DSTUCK -DV_$mistake
	done
	for mistake in NOLOOK LOOKFIRST NOWAIT LISTLATE READING WHOLE SERIAL \
		SKIP; do
		run error foreign.pml -DV_$mistake
	done
	for mistake in PIN NOTLOOKED EARLY STAYS KEPTFIRST; do
		run error foreseen.pml -DV_$mistake
	done
	for mistake in REFRESH KEPTLATE; do
		run error foreseen.pml -DBESIDE -DV_$mistake
	done
	run error foreseen.pml -DSLOTS -DBESIDE -DV_TAKEN
	for mistake in DEAF KEEPS UNCOUNTED STANDDIRTY GIVEUP; do
		run error foreign.pml -DSTANDS -DV_$mistake
	done
	for mistake in LATE VISIBLE HOMEFIRST GONEFIRST NOLOOK NOWAIT; do
		run error lodged.pml -DV_$mistake
	done
	run error lodged.pml -DGAP -DV_GAP
	run error lodged.pml -DDROPS -DV_COPY
	for mistake in NOBARRIER_EVICT BARRIERFIRST SETTLEFIRST EXPECT; do
		run error hazard.pml -DEVICT -DV_$mistake
	done
	for mistake in NOBARRIER_AWAIT AWAITLATE FREELATE TELLFIRST NOSPARED \
		SPAREDFIRST; do
		run error hazard.pml -DAWAIT -DV_$mistake
	done
	for mistake in NOBARRIER_CLOSE NOBUSY NOWAIT NOLOCK OWNERLATE; do
		run error hazard.pml -DCLOSE -DV_$mistake
	done
	for mistake in TURNLATE NOLOOK NOREADERS BLIND NOMARK FRESH \
		KEEPMARK; do
		run error rwlock.pml -DV_$mistake
	done
	run error rwlock.pml -DREADERS=1 -DWRITERS=3 -DTIMES=1 -DV_OTHERS
	for mistake in WORDFIRST NOSLOT; do
		run error page.pml -DNHAND=1 -DSPLIT -DANNOUNCE=1 -DV_$mistake
	done
	run error page.pml -DNHAND=1 -DSPLIT -DONESTORE -DANNOUNCE=1 -DTRUNC \
		-DNOEVICT -DV_CUTSLOT
	run error page.pml -DNHAND=1 -DSPLIT -DONESTORE -DANNOUNCE=1 -DDISC \
		-DNOEVICT -DV_DISCSLOT
	for mistake in SIZE LENGTH NOTQUIET DROPFIRST; do
		run error page.pml -DNHAND=1 -DTRUNC -DSAME -DNOEVICT \
			-DV_$mistake
	done
	for mistake in PINSIZE CUTPINNED; do
		run error page.pml -DNHAND=1 -DTRUNC -DSAME -DNOEVICT -DPINS \
			-DV_$mistake
	done
	run error page.pml -DNHAND=1 -DDISC -DSPLIT -DNOEVICT -DV_RANGE
	run error page.pml -DNHAND=1 -DDISC -DSPLIT -DPINS -DV_ZEROCLEAN
	run error page.pml -DNHAND=1 -DRFAIL -DV_HALFREAD
	run error page.pml -DNHAND=1 -DSPLIT -DGAP -DV_GAP
	run error page.pml -DNHAND=1 -DSELF -DV_FILL
	for mistake in CLEAN SHORT HALF QUIET; do
		run error page.pml -DNHAND=1 -DSPLIT -DWHOLE -DV_WHOLE$mistake
	done
	run error page.pml -DNHAND=1 -DSPLIT -DWHOLE -DSELF -DV_WHOLEPARTS
	run error page.pml -DNHAND=1 -DSPLIT -DWHOLE -DTRUNC -DNOEVICT \
		-DV_WHOLESIZE
	run error page.pml -DNHAND=1 -DSPLIT -DWHOLE -DDISC -DNOEVICT \
		-DV_WHOLERANGE
	for mistake in FILLRW FILLEARLY; do
		run error page.pml -DNHAND=1 -DSPLIT -DFILLED -DV_$mistake
	done
	run error page.pml -DNHAND=1 -DSPLIT -DFILLED -DREMAP -DV_FILLVMA
	run error page.pml -DSAME -DRFAIL -DV_REFUSE
	run error page.pml -DNHAND=1 -DMSYNC -DNOEVICT -DV_MSYNC
	run error page.pml -DNHAND=1 -DSPLIT -DLODGE -DV_LODGEVIS
	for mistake in LATE MAP; do
		run error page.pml -DNHAND=1 -DSPLIT -DLODGE -DREMAP \
			-DV_LODGE$mistake
	done
	run error page.pml -DNHAND=1 -DSPLIT -DLODGE -DREMAP -DGAP -DV_LODGEGAP
	run error page.pml -DNHAND=1 -DSPLIT -DLODGE -DPINS -DV_LODGEHOME
	run error page.pml -DNHAND=1 -DSPLIT -DLODGE -DTRUNC -DNOEVICT \
		-DV_LODGECUT
}

bad_page() {
	local mistake

	depth=2500000

	for mistake in GRANT WPFIRST INSTALL WPINDONE UNPIN EVICTPIN \
		LATEPUNCH PARK PINLOOK SNAPEARLY; do
		run error page.pml -DV_$mistake
	done
	run error page.pml -DV_GRANT -DV_WPFIRST
	run error page.pml -DNHAND=1 -DSPLIT -DSHOWN -DV_GRANT
	run error page.pml -DNHAND=1 -DSPLIT -DSHOWN -DV_SHOWNASLEEP
	for mistake in INSTALL UNPIN WPINDONE; do
		run error page.pml -DNHAND=1 -DPINS -DV_$mistake
	done
	run error page.pml -DNHAND=1 -DREMAP -DV_VMA
	run error page.pml -DNHAND=1 -DWFAIL -DV_EIO
	run error page.pml -DNHAND=1 -DMSYNC -DNOEVICT -DV_COUNTWAKES
	run error page.pml -DNHAND=1 -DSPLIT -DANNOUNCE=1 -DV_SLOTFIRST
	for mistake in SIZEFIRST PINSIZE SIZELATE; do
		run error page.pml -DNHAND=1 -DSPLIT -DONESTORE -DANNOUNCE=1 \
			-DTRUNC -DNOEVICT -DV_$mistake
	done
	for mistake in BACKCLEAN BACKQUIET; do
		run error page.pml -DNHAND=1 -DSPLIT -DONESTORE -DANNOUNCE=1 \
			-DDISC -DNOEVICT -DV_$mistake
	done
	for mistake in COUNT LEAVE; do
		run error page.pml -DNHAND=1 -DSPLIT -DLODGE -DV_LODGE$mistake
	done
	run error page.pml -DNHAND=1 -DSPLIT -DLODGE -DDISC -DNOEVICT \
		-DV_LODGECUT
}

for program in spin gcc; do
	command -v $program >/dev/null ||
		{ echo "check.sh: no $program: models are not checked"; exit 0; }
done
case ${1:-all} in
quick) good_small; bad_small ;;
good) jobs=1; good_small; good_page ;;
bad) bad_small; bad_page ;;
all) jobs=1; good_small; good_page; jobs=$(nproc); bad_small; bad_page ;;
*) echo "usage: check.sh [quick|good|bad|all]" >&2; exit 2 ;;
esac
wait
[ ! -e "$scratch/failed" ]
