# analyse.py - a program that knows nothing of Quire: a file through Python's mmap
# SPDX-License-Identifier: MIT
"""analyse.py FILE: a checksum by mapping, then a pass of changes, as one would write it."""
import hashlib
import mmap
import os
import random
import sys

with open(sys.argv[1], "r+b") as file:
    data = mmap.mmap(file.fileno(), 0)
    print("sha256 of the mapping", hashlib.sha256(data).hexdigest()[:32])
    zeros = sum(data[at : at + 4096].count(0) for at in range(0, len(data), 65536))
    print("zeros in every sixteenth page", zeros)
    pick = random.Random(1)
    for number in range(4000):
        at = pick.randrange(len(data) - 8)
        data[at : at + 8] = number.to_bytes(8, "little")
    data.flush()
    os.pwrite(file.fileno(), b"by pwrite(2)", 4000)
    assert data[4000:4012] == b"by pwrite(2)"
    print("sha256 of the mapping", hashlib.sha256(data).hexdigest()[:32])
with open(sys.argv[1], "rb") as file:
    print("sha256 by read(2)    ", hashlib.file_digest(file, "sha256").hexdigest()[:32])
