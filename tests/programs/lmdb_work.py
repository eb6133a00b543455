#!/usr/bin/env python3
# lmdb_work.py - what lmdb.sh has LMDB do
# SPDX-License-Identifier: MIT
"""
lmdb_work.py write|writemap|processes COUNT [READERS]

Fills the database "database" in the current folder with so many keys, and
prints what the bytes decide.  READERS: for how many the lock file has room.
"""

import hashlib
import os
import random
import sys

import lmdb

chance = random.Random(30)
WRITERS = 3
READERS = 2
ROOM = int(sys.argv[3]) if len(sys.argv) > 3 else 126


def open_database(**options):
    return lmdb.open("database", map_size=1 << 30, max_dbs=4,
                     max_readers=ROOM, **options)


def begin(env, write=False):
    """On the database "items": `mdb_dump -a` has only those with a name."""
    return env.begin(write=write, db=env.open_db(b"items", create=write))


def value(number):
    piece = hashlib.sha256(str(number).encode()).digest()
    return piece * (1 + number % 40)


def key(number):
    return hashlib.md5(str(number).encode()).hexdigest().encode()


def digest(pairs):
    result = hashlib.sha256()
    count = 0
    for name, content in pairs:
        result.update(name)
        result.update(content)
        count += 1
    return count, result.hexdigest()


def put(env, numbers):
    for start in range(0, len(numbers), 500):
        with begin(env, write=True) as transaction:
            for number in numbers[start:start + 500]:
                transaction.put(key(number), value(number))


def look(env):
    with begin(env) as transaction:
        print("forwards", *digest(transaction.cursor().iternext()))
        print("backwards", *digest(transaction.cursor().iterprev()))


def change(env, count):
    """Deletes, replaces, gives up; all in one process."""
    with begin(env, write=True) as transaction:
        for number in range(0, count, 3):
            assert transaction.delete(key(number))
    with begin(env, write=True) as transaction:
        for number in range(1, count, 30):
            transaction.put(key(number), b"new" * (number % 3000))
    transaction = begin(env, write=True)
    for number in range(2, count, 50):
        transaction.put(key(number), b"never")
    transaction.abort()
    with begin(env) as transaction:
        wanted = [chance.randrange(count) for _ in range(count)]
        print("gets", *digest((key(n), transaction.get(key(n), b"none"))
                              for n in wanted))


def several_values(env, count):
    """A database with many values for a key, and one of numbers."""
    twofold = env.open_db(b"twofold", dupsort=True)
    numbers = env.open_db(b"numbers", integerkey=True)
    with env.begin(write=True) as transaction:
        for number in range(count // 4):
            transaction.put(str(number % 50).encode(), key(number),
                            db=twofold)
            transaction.put(number.to_bytes(8, sys.byteorder), key(number),
                            db=numbers)
    with env.begin(write=True) as transaction:
        cursor = transaction.cursor(db=twofold)
        for number in range(0, 50, 7):
            assert cursor.set_key(str(number).encode())
            assert cursor.delete(dupdata=True)
    with env.begin() as transaction:
        for name, database in (("twofold", twofold), ("numbers", numbers)):
            print(name, *digest(transaction.cursor(db=database)))


def one_process(count, writemap):
    env = open_database(writemap=writemap)
    numbers = list(range(count))
    chance.shuffle(numbers)
    put(env, numbers)
    look(env)
    change(env, count)
    several_values(env, count)
    env.sync(True)
    look(env)
    env.close()
    with open_database(readonly=True) as env:
        look(env)


def write_some(writer, count):
    """Each key is its writer's; all writers add to the sum."""
    env = open_database(writemap=writer == 0)
    for start in range(writer, count, WRITERS * 100):
        with begin(env, write=True) as transaction:
            for number in range(start, min(start + WRITERS * 100, count),
                                WRITERS):
                transaction.put(key(number), value(number))
            total = int(transaction.get(b"total", b"0"))
            left = int(transaction.get(b"left", b"0"))
            transaction.put(b"total", str(total + writer + 1).encode())
            transaction.put(b"left", str(left - writer - 1).encode())
    env.close()


def read_some(reader):
    """Until the writers are done: both sums are of one moment, always."""
    env = open_database(readonly=True)
    finished = False
    while not finished:
        with begin(env) as transaction:
            total = int(transaction.get(b"total", b"0"))
            left = int(transaction.get(b"left", b"0"))
            assert total + left == 0, (reader, total, left)
            finished = transaction.get(b"finished") is not None
            for number, pair in enumerate(transaction.cursor()):
                if number % 97 == 0:
                    assert pair[1], pair[0]
                if number > 2000 * (reader + 1):
                    break
    env.close()


def start(function, *arguments):
    child = os.fork()
    if child:
        return child
    try:
        function(*arguments)
    except BaseException as error:  # the child must not run on as the parent
        print("child", function.__name__, repr(error), flush=True)
        os._exit(1)
    os._exit(0)


def wait(children):
    for child in children:
        status = os.waitpid(child, 0)[1]
        assert status == 0, (child, status)


def processes(count):
    with open_database() as env:
        env.open_db(b"items")
    readers = [start(read_some, number) for number in range(READERS)]
    writers = [start(write_some, number, count) for number in range(WRITERS)]
    wait(writers)
    env = open_database()
    with begin(env, write=True) as transaction:
        transaction.put(b"finished", b"yes")
    wait(readers)
    look(env)
    env.close()


def main():
    kind, count = sys.argv[1], int(sys.argv[2])
    if kind == "processes":
        processes(count)
    else:
        one_process(count, kind == "writemap")


main()
