#!/usr/bin/env python3
# corpus.py - texts to be searched, always the same
# SPDX-License-Identifier: MIT
"""
corpus.py MIB

Writes so many MiB of lines in files of different sizes into the current folder,
a numbered needle in each five hundredth line.
"""

import random
import sys
from pathlib import Path

chance = random.Random(50)
WORDS = ("river stone cloud paper lantern garden winter copper meadow silver "
         "thunder harbour window ladder morning feather").split()


def lines(count):
    """One line of a thousand that were made: many are quickly there."""
    stock = [" ".join(chance.choices(WORDS, k=chance.randrange(4, 16)))
             for _ in range(1000)]
    for number in range(count):
        yield f"needle {number // 500}" if number % 500 == 0 \
            else stock[chance.randrange(1000)]


def main():
    left = int(sys.argv[1]) << 20
    number = 0
    while left > 0:
        size = min(left, chance.choice([3000, 70000, 1 << 20, 12 << 20]))
        content = "\n".join(lines(size // 60)) + "\n"
        folder = Path(f"folder{number % 5}")
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.txt").write_text(content)
        left -= len(content)
        number += 1


main()
