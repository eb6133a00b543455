#!/usr/bin/env python3
# statistics.py - were mappings taken, and did the budget hold?
# SPDX-License-Identifier: MIT
"""
statistics.py --budget SIZE FILE

FILE is what `quire run --stats` wrote.  Prints a few of its numbers; says what
is wrong on standard error, with exit status 1: a run that fell back to the
kernel's mappings gives the right results, and proves nothing.
"""

import argparse
import json
import sys

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def size(text):
    return int(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else int(text)


def problems(figures, budget):
    engine = figures["engine"]
    if figures["budget"] != budget:
        yield f"budget {figures['budget']}, not {budget}"
    if figures["resident_peak"] > budget:
        yield f"the peak was {figures['resident_peak']}, above {budget}"
    if engine["traps"] == 0:
        yield "no trap: nothing was taken"
    if not any(file["traps"] and file["mapped_peak"]
               for file in figures["files"]):
        yield "no file was mapped and looked at"
    for name in ("read_errors", "write_errors"):
        if engine[name]:
            yield f"{engine[name]} {name.replace('_', ' ')}"
    if figures["clients"]["refused_requests"]:
        yield f"{figures['clients']['refused_requests']} requests refused"
    if engine["dirty"]:
        yield f"{engine['dirty']} bytes were not written home"


def numbers(figures):
    engine = figures["engine"]
    words = [f"{engine['traps']} traps",
             f"peak {figures['resident_peak'] >> 10} KiB",
             f"{engine['evictions']} evictions",
             f"{figures['clients']['ever']} clients"]
    words += [f"note: {note['text']} ({note['times']})"
              for note in figures["notes"]]
    return ", ".join(words)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget", type=size, required=True)
    parser.add_argument("file")
    arguments = parser.parse_args()
    try:
        with open(arguments.file, encoding="utf-8") as stream:
            figures = json.load(stream)
        found = list(problems(figures, arguments.budget))
        print(numbers(figures))
    except (OSError, ValueError, KeyError) as error:
        found = [f"no statistics: {error!r}"]
    for line in found:
        print(line, file=sys.stderr)
    sys.exit(1 if found else 0)


main()
