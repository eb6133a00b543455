#!/bin/bash
# sqlite.sh - SQLite with PRAGMA mmap_size, journal and WAL, two processes
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

have sqlite3 || skip "no sqlite3"

rows=$(quick_or_full 12000 100000)

# Numbers that look random and are always the same.
load_script() {
	cat <<-END
	PRAGMA page_size = 4096;
	PRAGMA journal_mode = $1;
	PRAGMA mmap_size = 1073741824;
	PRAGMA cache_size = 100;
	CREATE TABLE item (id INTEGER PRIMARY KEY, code INTEGER, name TEXT,
		body BLOB);
	WITH RECURSIVE n(i) AS
		(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $rows)
	INSERT INTO item SELECT i, (i * 2654435761) % 1000003,
		printf('name %08d', (i * 40503) % 65536),
		CAST(printf('%.*c', i % 180, 'x') AS BLOB) FROM n;
	CREATE INDEX by_code ON item (code);
	CREATE INDEX by_name ON item (name, code);
	END
}

change_script() {
	cat <<-END
	PRAGMA mmap_size = 1073741824;
	PRAGMA cache_size = 100;
	BEGIN;
	UPDATE item SET name = name || ' again' WHERE code % 7 = 0;
	DELETE FROM item WHERE code % 11 = 3;
	COMMIT;
	BEGIN;
	UPDATE item SET code = -code WHERE id % 5 = 0;
	ROLLBACK;
	CREATE TABLE sum AS SELECT code % 100 AS part, count(*) AS n,
		sum(length(body)) AS bytes FROM item GROUP BY part;
	PRAGMA integrity_check;
	END
}

look_script() {
	cat <<-END
	PRAGMA mmap_size = 1073741824;
	SELECT count(*), sum(code), sum(length(name)), sum(length(body))
		FROM item;
	SELECT * FROM item WHERE code BETWEEN 5000 AND 6000 ORDER BY code, id;
	SELECT name, count(*) FROM item GROUP BY name ORDER BY 2 DESC, 1
		LIMIT 50;
	SELECT * FROM sum ORDER BY part;
	END
}

load_and_change() {
	load_script "$1" | sqlite3 -bail data.db || return
	change_script | sqlite3 -bail data.db || return
	look_script | sqlite3 -bail -readonly data.db || return
	sqlite3 data.db "PRAGMA mmap_size = 1073741824; VACUUM;" \
		"PRAGMA integrity_check;" || return
	sqlite3 data.db .dump | sha256sum
}

prepare_journal() {
	:
}

work_journal() {
	load_and_change delete
}

prepare_truncate() {
	:
}

work_truncate() {
	load_and_change truncate
}

prepare_wal() {
	:
}

work_wal() {
	load_and_change wal
}

# Two that write and one that reads, at once; what they leave has no order.
prepare_processes() {
	load_script "$1" | sqlite3 -bail data.db
}

work_processes() {
	"$python" "$programs/sqlite_work.py" $((rows / 40)) || return
	sqlite3 data.db .dump | sha256sum
	sqlite3 data.db "PRAGMA integrity_check;"
	rm data.db*
}

prepare_processes_wal() {
	prepare_processes wal
}

prepare_processes_journal() {
	prepare_processes delete
}

work_processes_wal() {
	work_processes
}

work_processes_journal() {
	work_processes
}

cases() {
	local budgets

	budgets=$(quick_or_full "256K" "16M 6M 1536K")
	compare journal "$budgets"
	[ "$scale" = quick ] || compare truncate 1536K
	compare wal "$budgets"
	compare processes_journal "$budgets"
	compare processes_wal "$budgets"
}

main "$@"
