# database.py - SQLite with its file mapped, as PRAGMA mmap_size has it
# SPDX-License-Identifier: MIT
"""database.py FILE ROWS: fills a table, indexes, updates and queries it."""
import random
import sqlite3
import sys


def connect():
    connection = sqlite3.connect(sys.argv[1])
    connection.execute("PRAGMA mmap_size = 1099511627776")
    return connection


database = connect()
database.execute("CREATE TABLE item (key INTEGER PRIMARY KEY, word TEXT, size INTEGER)")
pick = random.Random(2)
with database:
    database.executemany(
        "INSERT INTO item (word, size) VALUES (?, ?)",
        (("w%08x" % pick.getrandbits(32) * 8, pick.randrange(1000)) for _ in range(int(sys.argv[2]))),
    )
with database:
    database.execute("CREATE INDEX by_word ON item (word)")
database.close()
database = connect()  # what is there when it is opened is mapped
with database:
    database.execute("UPDATE item SET size = size + 1 WHERE key % 7 = 0")
for query in (
    "SELECT count(*), sum(size), max(word) FROM item",
    "SELECT size, count(*) FROM item GROUP BY size ORDER BY 2 DESC, 1 LIMIT 3",
    "SELECT word, size FROM item WHERE word > 'w8' ORDER BY word LIMIT 3",
    "PRAGMA integrity_check",
):
    print(query, database.execute(query).fetchall())
