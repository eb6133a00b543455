#!/usr/bin/env python3
# git_stream.py - a history for `git fast-import`, always the same
# SPDX-License-Identifier: MIT
"""
git_stream.py MIB

Texts that change a little with each commit, and binary files of a MiB and more
that do not compress: together so many MiB in a pack.
"""

import random
import sys

chance = random.Random(40)
WORDS = ("river stone cloud paper lantern garden winter copper meadow silver "
         "thunder harbour window ladder morning feather").split()
COMMITS = 40
TEXTS = 12
out = sys.stdout.buffer


def text(lines):
    return [" ".join(chance.choices(WORDS, k=9)) for _ in range(lines)]


def change(lines):
    for _ in range(30):
        lines[chance.randrange(len(lines))] = " ".join(
            chance.choices(WORDS, k=chance.randrange(3, 15)))


def write_file(name, content):
    out.write(f"M 100644 inline {name}\ndata {len(content)}\n".encode())
    out.write(content + b"\n")


def commit(number, texts, binary):
    message = f"change {number}\n\n{' '.join(chance.choices(WORDS, k=20))}\n"
    out.write(f"commit refs/heads/main\nmark :{number + 1}\n"
              f"committer Anybody <anybody@example.org> "
              f"{1600000000 + number * 3600} +0000\n"
              f"data {len(message)}\n{message}".encode())
    if number:
        out.write(f"from :{number}\n".encode())
    for index, lines in enumerate(texts):
        if number == 0 or (number + index) % 3 == 0:
            change(lines)
            write_file(f"text/{index}.txt", "\n".join(lines).encode() + b"\n")
    write_file(f"binary/{number % 8}.bin", binary)


def main():
    size = (int(sys.argv[1]) << 20) // COMMITS
    texts = [text(4000) for _ in range(TEXTS)]
    for number in range(COMMITS):
        commit(number, texts, chance.randbytes(size))
    out.write(b"done\n")


main()
