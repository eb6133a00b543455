#!/bin/bash
# git.sh - git on a large pack, its windows mapped
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

have git || skip "no git"

mib=$(quick_or_full 16 80)

# git NAME...: with settings under which it makes the same files twice.  Windows
# of one MiB: what git itself keeps mapped is small, and mapped often.
plain_git() {
	git -c core.packedGitWindowSize=1m -c core.packedGitLimit=8m \
		-c core.bigFileThreshold=1m -c pack.threads=1 -c gc.auto=0 \
		-c user.name=Anybody -c user.email=anybody@example.org \
		-c advice.detachedHead=false "$@"
}

prepare_pack() {
	git init -q --bare -b main pack.git &&
		"$python" "$programs/git_stream.py" "$mib" |
		plain_git -C pack.git fast-import --quiet
}

# Everything that only reads.
read_pack() {
	plain_git fsck --full --no-progress || return
	plain_git log --stat main || return
	plain_git log -p --reverse main -- text/0.txt | sha256sum
	plain_git rev-list --objects --all | sha256sum
	plain_git cat-file --batch-all-objects --batch |
		sha256sum || return
	plain_git grep --threads=4 -c 'river.*stone' main |
		sort | sha256sum
	plain_git archive main | sha256sum
	plain_git verify-pack -v objects/pack/*.idx | sha256sum
}

# Big files with one byte changed, all packs written anew, twice.
write_pack() {
	plain_git repack -q -a -d -f --window=5 || return
	plain_git commit-graph write --no-progress || return
	plain_git repack -q -a -d --write-bitmap-index || return
	plain_git multi-pack-index write --no-progress || return
	plain_git fsck --full --no-progress || return
	plain_git rev-list --use-bitmap-index --objects --all --count
	plain_git verify-pack -v objects/pack/*.idx
}

work_pack() {
	(cd pack.git && read_pack && write_pack)
}

prepare_checkout() {
	prepare_pack
}

# Another repository by the protocol, a work tree, and a change to it; the
# index has times and is not compared.
work_checkout() {
	export GIT_AUTHOR_DATE="1700000000 +0000"
	export GIT_COMMITTER_DATE="1700000000 +0000"
	plain_git clone -q --no-local pack.git tree || return
	cd tree && plain_git remote set-url origin ../pack.git || return
	plain_git checkout -q main~3 && plain_git checkout -q main || return
	printf 'one more line\n' >>text/1.txt
	printf x | dd of=binary/0.bin bs=1 seek=300000 conv=notrunc status=none
	plain_git status --short && plain_git diff --stat || return
	plain_git commit -q -a -m change && plain_git gc -q --prune=now ||
		return
	plain_git fsck --full --no-progress && plain_git log -p -1 || return
	rm -rf .git/index .git/logs
}

cases() {
	compare pack "$(quick_or_full "1M" "128M 16M 6M")"
	compare checkout "$(quick_or_full "1M" "64M 6M")"
}

main "$@"
