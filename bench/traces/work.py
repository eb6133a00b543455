#!/usr/bin/env python3
# work.py - the data of the recorded programs, and what those in Python do
# SPDX-License-Identifier: MIT
"""
work.py make|run NAME

In the current folder.  make: the data, always the same.  run: what is recorded;
it prints what the bytes decide.
"""

import bisect
import hashlib
import itertools
import mmap
import random
import sqlite3
import sys

chance = random.Random(60)
WORDS = ("river stone cloud paper lantern garden winter copper meadow silver "
         "thunder harbour window ladder morning feather").split()


def zipf(count, skew=0.99):
    """Ranks, without end; the frequent ones first."""
    weights = list(itertools.accumulate(1 / (i + 1) ** skew
                                        for i in range(count)))
    while True:
        yield from chance.choices(range(count), cum_weights=weights, k=10000)


def scattered(count):
    """The numbers below count, in an order that says nothing."""
    numbers = list(range(count))
    chance.shuffle(numbers)
    return numbers


def key(number):
    return hashlib.md5(str(number).encode()).hexdigest().encode()


class Digest:
    """Of all that is given to it."""

    def __init__(self):
        self.sum = hashlib.sha256()
        self.count = 0

    def add(self, value):
        self.sum.update(repr(value).encode())
        self.count += 1

    def show(self, name):
        print(name, self.count, self.sum.hexdigest())


# ---- SQLite ----

ROWS = 150000


def make_sqlite():
    """As each table is filled alone, its pages stand together."""
    base = sqlite3.connect("data.db")
    base.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, code INTEGER,"
                 " name TEXT, body BLOB)")
    base.executemany(
        "INSERT INTO item VALUES (?, ?, ?, ?)",
        ((i, i * 2654435761 % 1000003, key(i).decode()[:12],
          chance.randbytes(100 + i % 180)) for i in range(ROWS)))
    base.execute("CREATE INDEX by_code ON item (code)")
    base.execute("CREATE INDEX by_name ON item (name)")
    base.execute("CREATE TABLE sale (id INTEGER PRIMARY KEY, code INTEGER,"
                 " day INTEGER, amount INTEGER)")
    items = scattered(ROWS)
    ranks = zipf(ROWS, 0.8)
    base.executemany(
        "INSERT INTO sale VALUES (?, ?, ?, ?)",
        ((i, items[next(ranks)] * 2654435761 % 1000003, i // 500,
          chance.randrange(100)) for i in range(ROWS)))
    base.execute("CREATE INDEX by_day ON sale (day)")
    base.commit()


def open_sqlite():
    """Little of its own cache: the mapping is what it reads."""
    base = sqlite3.connect("file:data.db?mode=ro", uri=True)
    base.execute("PRAGMA mmap_size = 1073741824")
    base.execute("PRAGMA cache_size = 10")
    return base


def run_sqlite_points():
    """Popular items by two indices; beside it one reads the whole table."""
    base = open_sqlite()
    items = scattered(ROWS)
    digest = Digest()
    scan = iter(())
    for number, rank in enumerate(itertools.islice(zipf(ROWS), 36000)):
        item = items[rank]
        if number % 2:
            rows = base.execute("SELECT * FROM item WHERE code = ?",
                                (item * 2654435761 % 1000003,))
        else:
            rows = base.execute("SELECT * FROM item WHERE name = ?",
                                (key(item).decode()[:12],))
        digest.add(rows.fetchall())
        for row in itertools.islice(scan, 50):
            digest.add(row[0])
        if number % 4000 == 0:
            scan = base.execute("SELECT id, length(body) FROM item")
    digest.show("points")


def run_sqlite_join():
    """A report of some days of sales each, the latest more often."""
    base = open_sqlite()
    digest = Digest()
    for number in range(16):
        last = 300 - 5 * number if number % 3 else 300
        rows = base.execute(
            "SELECT item.id % 50, sum(amount), max(length(body)) FROM sale"
            " JOIN item ON item.code = sale.code"
            " WHERE day BETWEEN ? AND ? GROUP BY 1 ORDER BY 2, 1",
            (last - 7, last))
        digest.add(rows.fetchall())
        digest.add(base.execute(
            "SELECT count(*), sum(amount) FROM sale").fetchall())
    digest.show("join")


# ---- LMDB ----

KEYS = 130000


def make_lmdb():
    import lmdb
    with lmdb.open("database", map_size=1 << 30) as base:
        with base.begin(write=True) as transaction:
            for number in scattered(KEYS):
                transaction.put(key(number), chance.randbytes(
                    100 + number % 300))


def run_lmdb():
    """Popular keys, and from some of them on a few hundred in order."""
    import lmdb
    base = lmdb.open("database", readonly=True, lock=False)
    digest = Digest()
    with base.begin() as transaction:
        for number, rank in enumerate(itertools.islice(zipf(KEYS), 80000)):
            if number % 100:
                digest.add(transaction.get(key(rank)))
                continue
            cursor = transaction.cursor()
            cursor.set_range(key(rank))
            for pair in itertools.islice(cursor, 300):
                digest.add(pair[0])
    digest.show("lmdb")


# ---- Python's mmap, by bisect ----

RECORD = 16
RECORDS = 2 << 20


def make_bisect():
    with open("sorted", "wb") as file:
        for number in range(RECORDS):
            file.write(b"%015d\n" % (number * 7919 + number % 13))


class Records:
    """A sorted file as a sequence."""

    def __init__(self, name):
        with open(name, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self):
        return len(self.bytes) // RECORD

    def __getitem__(self, index):
        return self.bytes[index * RECORD:(index + 1) * RECORD]


def run_bisect():
    """Any record is as likely as any other."""
    records = Records("sorted")
    digest = Digest()
    for _ in range(30000):
        wanted = b"%015d\n" % chance.randrange(RECORDS * 7919)
        digest.add(bisect.bisect(records, wanted))
    digest.show("bisect")


# ---- numpy.memmap ----

SHAPE = (8192, 1024)  # a row: 8 KiB


def make_numpy():
    import numpy
    random_numbers = numpy.random.default_rng(60)
    array = numpy.memmap("matrix", dtype="f8", mode="w+", shape=SHAPE)
    for row in range(0, SHAPE[0], 64):
        array[row:row + 64] = random_numbers.integers(
            0, 1000, (64, SHAPE[1]))
    array.flush()


def run_numpy():
    """Samples in a new order each time round; beside it sums of columns."""
    import numpy
    array = numpy.memmap("matrix", dtype="f8", mode="r", shape=SHAPE)
    random_numbers = numpy.random.default_rng(61)
    digest = Digest()
    for turn in range(12):
        order = random_numbers.permutation(SHAPE[0])
        for start in range(0, SHAPE[0], 32):
            batch = numpy.array(array[order[start:start + 32]])
            digest.add(float(batch.sum()))
        column = turn * 80
        digest.add(float(array[:, column].sum()))
    digest.show("numpy")


# ---- texts, for ripgrep ----

FOLDERS = 16


def make_ripgrep():
    """Folders of files from 100 KiB to 2 MiB: 32 MiB."""
    import os
    stock = [" ".join(chance.choices(WORDS, k=chance.randrange(4, 16)))
             for _ in range(1000)]
    for folder in range(FOLDERS):
        os.mkdir(f"folder{folder:02}")
        left = 2 << 20
        number = 0
        while left > 0:
            size = min(left, 100000 + chance.randrange(1 << 20))
            with open(f"folder{folder:02}/{number}.txt", "w",
                      encoding="ascii") as file:
                while file.tell() < size:
                    file.write("\n".join(chance.choices(stock, k=200)) + "\n")
            left -= size
            number += 1


# ---- a history, for git ----

PATHS = 4000
COMMITS = 3000


def make_git():
    """A stream for `git fast-import`."""
    out = sys.stdout.buffer
    paths = [f"part{i % 40:02}/section{i // 40 % 10}/{i}.txt"
             for i in range(PATHS)]
    files = [[line() for _ in range(40 + chance.randrange(160))]
             for _ in paths]
    popular = zipf(PATHS, 0.8)
    for number in range(COMMITS):
        message = f"change {number}\n\n{line()}\n"
        out.write(b"commit refs/heads/main\nmark :%d\n"
                  b"committer Anybody <anybody@example.org> %d +0000\n"
                  b"data %d\n%s" % (number + 1, 1600000000 + number * 3600,
                                    len(message), message.encode()))
        if number:
            out.write(b"from :%d\n" % number)
        changed = {next(popular) for _ in range(4)} if number \
            else range(PATHS)
        for index in changed:
            for _ in range(5):
                at = chance.randrange(len(files[index]))
                files[index][at] = line()
            text = "\n".join(files[index]).encode() + b"\n"
            out.write(b"M 100644 inline %s\ndata %d\n%s\n"
                      % (paths[index].encode(), len(text), text))
    out.write(b"done\n")


def line():
    return " ".join(chance.choices(WORDS, k=5)) + \
        f" {chance.getrandbits(96):024x}"


def main():
    globals()[f"{sys.argv[1]}_{sys.argv[2]}"]()


main()
