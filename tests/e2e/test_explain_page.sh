#!/bin/bash
# test_explain_page.sh - the pages of quire explain, in a browser
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

command -v chromium >/dev/null || skip "there is no chromium"
command -v python3 >/dev/null || skip "there is no python3"

# Its own settings and caches, not the user's.
mkdir "$WORK/home"
export HOME=$WORK/home XDG_CONFIG_HOME=$WORK/home XDG_CACHE_HOME=$WORK/home
timeout 60 chromium --headless --no-sandbox --disable-gpu \
	--disable-dev-shm-usage --user-data-dir="$WORK/home/try" \
	--dump-dom 'data:text/html,<p>it runs</p>' 2>/dev/null |
	grep -q "it runs" || skip "chromium does not start here"

for lesson in split copy-on-write write-back swap; do
	run "$QUIRE" explain --check --lesson "$lesson" --json \
		--html "$WORK/$lesson.html"
	check "$lesson: page and JSON of one run" [ "$status" -eq 0 ]
	mv "$WORK/out" "$WORK/$lesson.json"
	mkdir "$WORK/$lesson"
	run timeout 240 python3 "$QUIRE_SOURCE/tests/e2e/explain_page.py" \
		chromium "$WORK/$lesson.html" "$WORK/$lesson.json" \
		"$WORK/$lesson"
	sed "s/^/# $lesson: /" "$WORK/out" "$WORK/err"
	check "$lesson: the page is right" [ "$status" -eq 0 ]
	check "$lesson: many things were looked at" \
		[ "$(grep -c '^ok' "$WORK/out")" -ge 30 ]
	check "$lesson: pictures were taken" \
		[ "$(find "$WORK/$lesson" -name '*.png' | wc -l)" -eq 6 ]
done

# A page that shows something else than its JSON is found out.
sed 's/"dirty"/"clean"/' "$WORK/write-back.html" >"$WORK/wrong.html"
run timeout 240 python3 "$QUIRE_SOURCE/tests/e2e/explain_page.py" chromium \
	"$WORK/wrong.html" "$WORK/write-back.json" "$WORK/write-back"
check "a wrong page is not taken for a right one" [ "$status" -eq 1 ]
finish
