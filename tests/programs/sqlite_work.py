#!/usr/bin/env python3
# sqlite_work.py - what sqlite.sh has several processes do
# SPDX-License-Identifier: MIT
"""
sqlite_work.py ROUNDS

Two processes write tables of their own and a common sum into data.db, a third
one reads until they are done, all at once, through the map.
"""

import os
import sqlite3
import sys

ROUNDS = int(sys.argv[1])
WRITERS = 2


def connect():
    database = sqlite3.connect("data.db", timeout=300, isolation_level=None)
    database.execute("PRAGMA mmap_size = 1073741824")
    database.execute("PRAGMA cache_size = 50")
    database.execute("PRAGMA synchronous = OFF")
    return database


def write(writer):
    database = connect()
    for number in range(0, ROUNDS, 50):
        database.execute("BEGIN IMMEDIATE")
        for step in range(number, min(number + 50, ROUNDS)):
            database.execute(f"INSERT INTO own{writer} VALUES (?, ?)",
                             (step, "x" * (step * 7 % 900)))
            database.execute("UPDATE item SET body = ? WHERE id = ?",
                             (b"y" * (step % 150),
                              1 + (step * WRITERS + writer) * 11))
        database.execute("UPDATE total SET up = up + 1, down = down - 1")
        database.execute("COMMIT")
    database.close()


def read():
    database = connect()
    finished = 0
    while finished < WRITERS:
        database.execute("BEGIN")
        up, down = database.execute("SELECT up, down FROM total").fetchone()
        assert up + down == 0, (up, down)
        database.execute("SELECT sum(code), max(length(body)) FROM item "
                         "WHERE code > 900000").fetchone()
        finished = database.execute(
            "SELECT count(*) FROM finished").fetchone()[0]
        database.execute("COMMIT")
    database.close()


def start(function, *arguments):
    child = os.fork()
    if child:
        return child
    try:
        function(*arguments)
    except BaseException as error:  # the child must not run on as the parent
        print(function.__name__, repr(error), flush=True)
        os._exit(1)
    os._exit(0)


def main():
    database = connect()
    for writer in range(WRITERS):
        database.execute(f"CREATE TABLE own{writer} (id INTEGER, text TEXT)")
    database.execute("CREATE TABLE total (up INTEGER, down INTEGER)")
    database.execute("CREATE TABLE finished (writer INTEGER)")
    database.execute("INSERT INTO total VALUES (0, 0)")
    database.close()
    reader = start(read)
    writers = [start(write, number) for number in range(WRITERS)]
    statuses = [os.waitpid(child, 0)[1] for child in writers]
    database = connect()
    for number in range(WRITERS):
        database.execute("INSERT INTO finished VALUES (?)", (number,))
    print("total", database.execute("SELECT * FROM total").fetchone())
    database.close()
    statuses.append(os.waitpid(reader, 0)[1])
    print("statuses", statuses)
    sys.exit(any(statuses))


main()
