#!/usr/bin/env python3
# floors.py - what was measured, beside what was to be reached
# SPDX-License-Identifier: MIT
"""
floors.py RESULTS [--markdown | --update DOCUMENT]

RESULTS is what run.sh writes.  Prints each floor, what was measured, and by
how much it was missed; where the device decides, also the ceiling: what a Quire
that takes no time would have come to in the same run (README.md).

--markdown: the main table of docs/performance.md.  --update: puts it between
the two markers in DOCUMENT, which is to name the commit; with a row missing, or
one more, DOCUMENT stays as it is.

A row that was not measured, or that is not known here, is said, and the exit
status is 1; it is 2 if RESULTS or DOCUMENT is not what it should be.
"""

import argparse
import json
import os
import sys
from collections import namedtuple

BEGIN = "<!-- by bench/floors.py --update, to its end -->\n"
END = "<!-- its end -->\n"
HEAD = ("| question | Quire : peer | Quire : limit | to reach "
        "| CPU µs an operation: Quire, peer |\n|---|---|---|---|---|\n")
MISSES = 0.75  # the budget is a quarter of the data: harness.c


def own(figure):
    """The bound that the question itself has set."""
    return figure["at_most"]


def times_peer(times):
    return lambda figure: figure["peer"] and times * figure["peer"]


STALL = {"store_max_us": own}
PAIR = {"ns_per_pair": lambda figure: 25}
MAPPING = {"bytes_per_mapping": own}
FIND = {"find_ratio_to_1000": own, **MAPPING}
SPARSE = {"open_and_map_ms": own, "resident_growth_kib": own,
          "peak_growth_kib": own}
RUNS = {"us_per_page": own}
TAILS = {"read_p99_us": times_peer(1.5), "read_p99.9_us": times_peer(1)}

# The text is that of the table, if it has the row.  Floors are of Quire : peer
# and Quire : limit; a bound is what a figure of Quire's is to be at most.
# long: make bench-full alone has it.
Row = namedtuple("Row", "id variant text peer limit bounds long",
                 defaults=(None, None, None, {}, False))
ROWS = [
    Row("W1", "1 thread",
        "W1 random 4 KiB reads, mapped; traps by a thread; 1 thread", 0.8),
    Row("W1", "4 threads", "4 threads", 0.8),
    Row("W1", "16 threads", "16 threads", 0.8),
    Row("W1", "in the faulting thread, 1 thread(s)",
        "... in the faulting thread; 1", 1.0, 0.85),
    Row("W1", "in the faulting thread, 4 thread(s)", "4", 1.0, 0.85),
    Row("W1", "in the faulting thread, 16 thread(s)", "16", 1.0, 0.85),
    Row("W2", "1 thread", "W2 the same, announced in lists of 64", 1.3, 0.85),
    Row("W2", "1 thread, a list ahead", "... a list ahead", 1.3, 0.85),
    Row("W2", "4 threads", "4 threads", long=True),
    Row("W3", "1 thread",
        "W3 the same, pinned, beside pread(); 1 thread", 1.0, 0.95),
    Row("W3", "4 threads", "4 threads", 1.0, 0.95),
    Row("W3", "16 threads", "16 threads", 1.0, 0.95),
    Row("W4", "1 thread",
        "W4 scan of 4 × the budget (an operation: 1 MiB); 1 thread", 1.1, 0.95),
    Row("W4", "4 threads", "4 threads", 1.1, 0.95),
    Row("W4", "16 threads", "16 threads", 1.1, 0.95),
    Row("W5", "1 thread", "W5 hot set, warm, 64 bytes; 1 thread", 0.97),
    Row("W5", "4 threads", "4 threads", 0.97),
    Row("W5", "16 threads", "16 threads", 0.97),
    Row("W6", "kernel mmap advised", "W6 skewed reads beside a scan", 1.3),
    Row("W6", "kernel mmap not advised", "... the kernel not advised",
        long=True),
    Row("W7", "1 thread",
        "W7 updates with msync; traps by a thread; 1 thread", 1.2, 0.8, STALL),
    Row("W7", "4 threads", "4 threads", 1.2, 0.8, STALL),
    Row("W7", "16 threads", "16 threads", bounds=STALL, long=True),
    Row("W7", "in the faulting thread, 1 thread(s)",
        "... in the faulting thread; 1", 1.2, 0.8, STALL),
    Row("W7", "in the faulting thread, 4 thread(s)", "4", 1.2, 0.8, STALL),
    Row("W7", "announced as written anew, 1 thread",
        "... announced in lists of 64 as written anew; 1", 1.2, 0.8, STALL),
    Row("W7", "announced as written anew, 4 threads", "4", 1.2, 0.8, STALL),
    Row("W8", "1 thread, 16 pages", "W8 pin and unpin, beside a mutex and a "
        "hash table; 1 thread, 16 pages", 5, bounds=PAIR),
    Row("W8", "1 thread, one page", "1 thread, one page", 5, bounds=PAIR),
    Row("W8", "16 threads, 16 pages each", "16 threads, 16 pages each", 5),
    Row("W8", "16 threads, one page", "16 threads, one page", 5),
    Row("W9", "mmap + munmap, 10",
        "W9 a space on the software MMU; mmap + munmap, 10"),
    Row("W9", "mmap + munmap, 1,000", "mmap + munmap, 1,000", 10),
    Row("W9", "mmap + munmap, 1,000,000", "mmap + munmap, 1,000,000",
        bounds=MAPPING),
    Row("W9", "mprotect, 10", "mprotect, 10"),
    Row("W9", "mprotect, 1,000", "mprotect, 1,000", 10),
    Row("W9", "mprotect, 1,000,000", "mprotect, 1,000,000", bounds=MAPPING),
    Row("W9", "find, 10", "find, 10"),
    Row("W9", "find, 1,000", "find, 1,000", 10),
    Row("W9", "find, 1,000,000", "find, 1,000,000", bounds=FIND),
    Row("W10", "the host's space", bounds=SPARSE),
    Row("W10", "a space on the software MMU", bounds=SPARSE),
    Row("W11", "single pages"),
    Row("W11", "runs of 16", bounds=RUNS),
    Row("W11", "software MMU, single pages"),
    Row("W11", "software MMU, runs of 16", bounds=RUNS),
    Row("W12", "alone", bounds=TAILS),
    Row("W12", "beside a thread that updates"),
    Row("W12", "in the faulting thread, alone"),
    Row("W12", "in the faulting thread, beside a thread that updates"),
    Row("W13", "every page in order, thread traps", "W13 stores to pages in "
        "memory; every page in order, msync() after the last; traps by a "
        "thread"),
    Row("W13", "every page in order, in the faulting thread",
        "... in the faulting thread"),
    Row("W13", "every 64th page, thread traps",
        "every 64th page, msync() after the last; traps by a thread"),
    Row("W13", "every 64th page, in the faulting thread",
        "... in the faulting thread"),
    Row("W13", "a msync() of each, thread traps",
        "a msync() of each; traps by a thread"),
    Row("W13", "a msync() of each, in the faulting thread",
        "... in the faulting thread"),
]
NOTHING = {"ratio": None, "limit_ratio": None, "figures": {}}

# least: what was measured is to be at least the bound; else at most.
Floor = namedtuple("Floor", "row what measured bound least ceiling")


# ---- the results ----

def read_results(path):
    """Who was measured, and what, by question and variant."""
    with open(path, encoding="utf-8") as file:
        whole = json.load(file)
    results = {(row["id"], row["variant"]): row for row in whole["results"]}
    if len(results) != len(whole["results"]):
        raise ValueError("a row stands in it twice")
    return whole["commit"], results


def why_not(result):
    """Why these figures do not count; None: they do."""
    if result is None:
        return "is not in the results"
    if result["skipped"]:
        return "skipped: " + result["skipped"]
    return None if result["checksum_equal"] else "the checksums differ"


def take(results):
    """The results that count, and sentences about all that is amiss."""
    taken, notes = {}, []
    for row in ROWS:
        result = results.get(row[:2])
        reason = why_not(result)
        if not reason:
            taken[row[:2]] = result
            notes += [f"{row.id} {row.variant}: {name}: a bound that is not "
                      "known here" for name, figure in result["figures"].items()
                      if figure["at_most"] and name not in row.bounds]
        elif result or not row.long:
            notes.append(f"{row.id} {row.variant}: {reason}")
    known = {row[:2] for row in ROWS}
    notes += [f"{' '.join(key)}: a row that is not known here"
              for key in results if key not in known]
    notes += [f"{floor.row.id} {floor.row.variant}: {floor.what}: not measured"
              for floor in floors(taken)
              if floor.row[:2] in taken and part_missed(floor) is None]
    return taken, notes


# ---- floors and ceilings ----

def most_of_limit(taken, row):
    """How many times the limit's rate a Quire can have that takes no time.
    None: the limit does not tell."""
    if row.id in ("W1", "W2", "W3"):
        return 1 / MISSES
    if row.id == "W4" or "written anew" in row.variant:
        return 1
    if row.id == "W7" and row[:2] in taken:
        # Its limit only writes: the reads are as many as W1's limit gives.
        reads = taken.get(("W1", row.variant), {}).get("rate", {}).get("limit")
        writes = taken[row[:2]].get("rate", {}).get("limit")
        return min(1, reads / MISSES / writes) if reads and writes else None
    return None


def ratio_floors(taken, row, result):
    ratio, limit = result["ratio"], result["limit_ratio"]
    most = most_of_limit(taken, row)
    if row.peer:
        yield Floor(row, "Quire : peer", ratio and ratio["median"], row.peer,
                    True, most * ratio["median"] / limit["median"]
                    if most and ratio and limit else None)
    if row.limit:
        # Of the others it says only which part is read.
        yield Floor(row, "Quire : limit", limit and limit["median"], row.limit,
                    True, most if row.id == "W7" else None)


def figure_floors(row, result):
    for name, bound in row.bounds.items():
        figure = result["figures"].get(name)
        yield Floor(row, name, figure and figure["quire"],
                    figure and bound(figure), False, None)


def floors(taken):
    """All of them, those of rows without a result, too."""
    for row in ROWS:
        result = taken.get(row[:2])
        if result or not row.long:
            yield from ratio_floors(taken, row, result or NOTHING)
            yield from figure_floors(row, result or NOTHING)


def part_missed(floor):
    """0 or less: reached.  None: not measured."""
    if floor.measured is None or floor.bound is None:
        return None
    part = floor.measured / floor.bound
    return 1 - part if floor.least else part - 1


def out_of_reach(floor):
    return ((part_missed(floor) or 0) > 0 and floor.ceiling is not None
            and floor.ceiling < floor.bound)


# ---- what is printed ----

def number(value):
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def verdict(floor):
    missed = part_missed(floor)
    if missed is None:
        return "not measured"
    text = "reached"
    if missed > 0:
        percent = max(missed * 100, 0.1)
        text = f"missed by {percent:.{0 if percent >= 1 else 1}f} %"
    if floor.ceiling is None:
        return text
    return (f"{text} (ceiling {floor.ceiling:.2f}" +
            (": out of this device's reach)" if out_of_reach(floor) else ")"))


def print_floor(floor):
    text = " " * 24
    if part_missed(floor) is not None:
        measured = (f"{floor.measured:.2f}" if floor.least
                    else number(floor.measured))
        text = (f"{measured:>6}  at {'least' if floor.least else 'most '} "
                f"{floor.bound:<7.6g}")
    print(f"    {floor.row.id:3} {floor.row.variant:36} {floor.what:19}"
          f" {text}  {verdict(floor)}")


def print_floors(taken, notes):
    all_of_them = list(floors(taken))
    print("\nfloors: what was to be reached, and what was")
    for floor in all_of_them:
        print_floor(floor)
    for note in notes:
        print("   ", note)
    missed = [part_missed(floor) for floor in all_of_them]
    reached = sum(part is not None and part <= 0 for part in missed)
    print(f"{reached} of {len(missed)} floors reached; "
          f"{sum(map(out_of_reach, all_of_them))} out of this device's reach, "
          f"{missed.count(None)} not measured")


def spread(ratio):
    if not ratio:
        return "–"
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} .. {ratio['max']:.2f})"


def line(row, result):
    goals = "; ".join(f"≥ {floor}" for floor in (row.peer, row.limit) if floor)
    cells = ["not measured", "–", goals, "–"]
    if result:
        cpu = result["cpu_us_per_op"]
        cells = [spread(result["ratio"]), spread(result["limit_ratio"]), goals,
                 f"{number(cpu['quire'])}, {number(cpu['peer'])}"]
    return "| " + " | ".join([row.text, *cells]) + " |\n"


def markdown(taken):
    return HEAD + "".join(line(row, taken.get(row[:2])) for row in ROWS
                          if row.text and (row[:2] in taken or not row.long))


def update(path, commit, table):
    """In place: at every moment the old file or the new one."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"not with the lines {BEGIN.strip()}, {END.strip()}")
    if commit not in before + after:
        raise ValueError(f"it does not name {commit}, of which this table is")
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(before + begin + table + end + after)
    os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true")
    form.add_argument("--update", metavar="DOCUMENT")
    chosen = parser.parse_args()
    path = chosen.results
    try:
        commit, results = read_results(path)
        taken, notes = take(results)
        if not chosen.markdown and not chosen.update:
            print_floors(taken, notes)
            return 1 if notes else 0
        table = markdown(taken)
        if chosen.markdown:
            print(table, end="")
        elif not notes:
            path = chosen.update
            update(path, commit, table)
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        print(f"floors.py: {path}: {type(error).__name__}: {error}",
              file=sys.stderr)
        return 2
    for note in notes:
        print("floors.py:", note, file=sys.stderr)
    if notes and chosen.update:
        print(f"floors.py: {chosen.update} stays as it is", file=sys.stderr)
    return 1 if notes else 0


if __name__ == "__main__":
    sys.exit(main())
