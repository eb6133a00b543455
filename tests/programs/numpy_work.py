#!/usr/bin/env python3
# numpy_work.py - what numpy.sh has numpy do
# SPDX-License-Identifier: MIT
"""
numpy_work.py MIB

Works on mapped arrays of so many MiB in the current folder, and prints sums
that the bytes decide.
"""

import hashlib
import os
import sys

import numpy as np

random = np.random.default_rng(20)


def show(name, value):
    print(name, value, flush=True)


def digest(array):
    """Of all bytes, a piece at a time."""
    result = hashlib.sha256()
    flat = array.reshape(-1)
    for start in range(0, flat.size, 1 << 16):
        result.update(flat[start:start + (1 << 16)].tobytes())
    return result.hexdigest()


def create(count):
    array = np.memmap("numbers", dtype="<u8", mode="w+", shape=(count,))
    for start in range(0, count, 1 << 15):
        stop = min(start + (1 << 15), count)
        index = np.arange(start, stop, dtype="<u8")
        array[start:stop] = index * np.uint64(0x9e3779b97f4a7c15)
    array.flush()
    show("created", digest(array))


def update(count):
    array = np.memmap("numbers", dtype="<u8", mode="r+")
    for step in range(20):
        where = random.integers(0, count, 2000)
        array[where] += np.uint64(step + 1)
        if step % 5 == 4:
            array.flush()
    show("updated", int(array.sum()))
    # What was stored last is in no file yet, but every reader sees it.
    descriptor = os.open("numbers", os.O_RDONLY)
    where = random.integers(0, count // 512, 200) * 4096
    array[::512] ^= np.uint64(0xff)
    pieces = [os.pread(descriptor, 4096, int(offset)) for offset in where]
    for offset, piece in zip(where, pieces):
        start = int(offset) // 8
        assert piece == array[start:start + 512].tobytes(), offset
    show("read", hashlib.sha256(b"".join(pieces)).hexdigest())
    os.close(descriptor)


def write_beside(count):
    """Written through a descriptor, seen in the mapping, and kept."""
    array = np.memmap("numbers", dtype="<u8", mode="r+")
    descriptor = os.open("numbers", os.O_RDWR)
    for step in range(200):
        index = int(random.integers(0, count - 64))
        array[index + 1] = step
        os.pwrite(descriptor, bytes([step]) * 100, index * 8 + 3)
        array[index + 20] = step
        assert array[index:index + 12].tobytes()[3:] \
            == bytes([step]) * 93, step
    os.close(descriptor)
    show("written", digest(array))


def only_read():
    array = np.memmap("numbers", dtype="<u8", mode="r")
    show("minimum", int(array.min()))
    show("maximum", int(array.max()))
    show("backwards", digest(array[::-1]))
    try:
        array[0] = 1
    except ValueError as error:
        show("refused", error)


def private(count):
    before = digest(np.memmap("numbers", dtype="<u8", mode="r"))
    array = np.memmap("numbers", dtype="<u8", mode="c")
    array[random.integers(0, count, 500)] = 7
    show("private", digest(array))
    after = digest(np.memmap("numbers", dtype="<u8", mode="r"))
    show("others", before == after)


def sort():
    array = np.memmap("numbers", dtype="<u8", mode="r+")
    array[: array.size // 4].sort()
    array.flush()
    show("sorted", digest(array))


def part():
    array = np.memmap("numbers", dtype="<u4", mode="r+", offset=70004,
                      shape=(1000, 50))
    array[:, 7] = np.arange(1000)
    array.T[9] += 1
    show("part", digest(np.ascontiguousarray(array)))


def matrix(rows):
    array = np.lib.format.open_memmap("matrix.npy", mode="w+", dtype="f8",
                                      shape=(rows, rows))
    for row in range(rows):
        array[row] = np.arange(rows) * 0.5 + row
    for column in range(0, rows, 97):
        array[:, column] *= 2
    array.flush()
    array = np.load("matrix.npy", mmap_mode="r")
    show("columns", [float(array[:, i].sum()) for i in range(0, rows, 101)])
    show("loaded", digest(np.load("matrix.npy")))


def grow(count):
    os.truncate("numbers", count * 8 + 10 * 4096)
    array = np.memmap("numbers", dtype="<u8", mode="r+")
    show("grown", array.size)
    array[-512:] = 5
    show("end", digest(array[-2048:]))


def main():
    count = int(sys.argv[1]) << 17
    create(count)
    update(count)
    write_beside(count)
    only_read()
    private(count)
    sort()
    part()
    matrix(int((count / 4) ** 0.5))
    grow(count)


main()
