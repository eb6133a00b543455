#!/usr/bin/env python3
# programs.py - unmodified programs, plainly and under `quire run`
# SPDX-License-Identifier: MIT
"""
programs.py BUILD [--beside BUILD] [--long] [--only NAME] [--folder PATH]
            [--json PATH]

Each program runs plainly and under `quire run`, in turns, after a warm-up: five
pairs, with --long eleven.  The figure is the median of the ratios of pairs, plain
time by time under `quire run`, so above 1 means that Quire is faster.  The time
is that of the whole command: `start` says what beginning and ending a server
adds to each.  What they print must be the same.  --beside: under another build's
as well, in the same turns.

Files are in FOLDER, on a disk; by default BUILD/bench.  What is read is taken
out of the page cache before; what is written is not waited for (no fsync): what
is measured is processor time and waiting for the server, not the disk.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUDGET = "256M"

# write(2) of what is mapped: a page each time, in a random order.
WRITES = """
import mmap, os, random, sys
fd = os.open(sys.argv[1], os.O_RDWR)
size = os.fstat(fd).st_size
view = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
chance = random.Random(1)
for i in range(int(sys.argv[2])):
    at = chance.randrange(size // 4096) * 4096
    os.pwrite(fd, i.to_bytes(4, "little") * 1024, at)
    assert view[at + 4092:at + 4096] == i.to_bytes(4, "little")
print(os.fstat(fd).st_size)
"""

SEQUENTIAL = """
import mmap, sys, zlib
with open(sys.argv[1], "rb") as file:
    view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    value = 0
    for at in range(0, len(view), 1 << 20):
        value = zlib.crc32(view[at:at + (1 << 20)], value)
print(value)
"""

RANDOM = """
import mmap, random, sys
chance = random.Random(2)
with open(sys.argv[1], "rb") as file:
    view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    view.madvise(mmap.MADV_RANDOM)
    print(sum(view[chance.randrange(len(view))]
              for _ in range(int(sys.argv[2]))))
"""


def database(journal, rows):
    """Inserts, scattered updates and a scan: the cache is far too small, and
    the file is mapped."""
    return f"""
PRAGMA mmap_size=268435456; PRAGMA cache_size=100;
PRAGMA synchronous=OFF; PRAGMA journal_mode={journal};
CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
INSERT INTO t SELECT i, printf('%0200d', i * 7919 % 1000003) FROM n;
BEGIN; UPDATE t SET v = printf('%0200d', k) WHERE k % 7 = 3; COMMIT;
BEGIN; UPDATE t SET v = printf('%0200d', k * 3) WHERE k % 31 = 5; COMMIT;
CREATE INDEX u ON t (v);
DELETE FROM t WHERE k % 11 = 0;
SELECT count(*), sum(length(v)), min(v), max(v) FROM t;
PRAGMA integrity_check;
"""


class Work:
    """A command; what it needs is made by prepare(), before each run anew."""

    def __init__(self, name, command, prepare=lambda: None, text=None):
        self.name, self.command = name, command
        self.prepare, self.text = prepare, text

    def run(self, before):
        self.prepare()
        start, used = time.monotonic(), os.times()
        done = subprocess.run(before + self.command, input=self.text,
                              text=True, capture_output=True)
        end, after = time.monotonic(), os.times()
        if done.returncode:
            sys.exit(f"{self.name}: {before}: status {done.returncode}\n"
                     f"{done.stderr}")
        cpu = (after.children_user + after.children_system -
               used.children_user - used.children_system)
        return end - start, cpu, done.stdout


def make_file(path, mib):
    line = bytes(range(32, 127)) + b" river stone needle\n"
    with open(path, "wb") as file:
        for i in range(mib):
            file.write((b"%08d " % i + line * 10000)[:1 << 20])
        os.fsync(file.fileno())


def forget(*paths):
    """Out of the page cache."""
    for path in paths:
        for folder, _, names in os.walk(path):
            forget(*(os.path.join(folder, name) for name in names))
        if os.path.isfile(path):
            fd = os.open(path, os.O_RDONLY)
            os.fdatasync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def remove(path):
    for name in (path, path + "-wal", path + "-shm", path + "-journal"):
        if os.path.exists(name):
            os.unlink(name)


def make_repository(path):
    stream = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "../tests/programs/git_stream.py")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path],
                   check=True)
    with subprocess.Popen([sys.executable, stream, "16"],
                          stdout=subprocess.PIPE) as made:
        subprocess.run(["git", "-C", path, "fast-import", "--quiet"],
                       stdin=made.stdout, check=True)


def works(folder, long):
    data, small, base, repository = (
        os.path.join(folder, name)
        for name in ("data", "small", "base", "repository"))
    times = 4 if long else 1
    make_file(data, 128 * times)
    make_file(small, 4)
    yield Work("start", ["true"])
    yield Work("pwrite of what is mapped",
               [sys.executable, "-c", WRITES, small, str(10000 * times)])
    if shutil.which("sqlite3"):
        for journal in ("DELETE", "WAL"):
            yield Work(f"sqlite3, {journal}", ["sqlite3", base],
                       lambda: remove(base), database(journal, 20000 * times))
    yield Work("python3, sequential", [sys.executable, "-c", SEQUENTIAL, data],
               lambda: forget(data))
    yield Work("python3, random",
               [sys.executable, "-c", RANDOM, data, str(5000 * times)],
               lambda: forget(data))
    if shutil.which("rg"):
        yield Work("ripgrep --mmap",
                   ["rg", "--mmap", "--no-config", "-c", "stone needle$",
                    data], lambda: forget(data))
    if shutil.which("git"):
        make_repository(repository)
        yield Work("git fsck", ["git", "-C", repository, "fsck", "--full",
                                "--no-progress"], lambda: forget(repository))
        yield Work("git log -p", ["git", "-C", repository, "log", "-p",
                                  "--reverse"], lambda: forget(repository))


def measure(work, arms, rounds):
    """Seconds and processor seconds of each arm's runs."""
    runs = {name: [] for name in arms}
    expected = None
    for number in range(rounds + 1):
        for name, before in arms.items():
            seconds, cpu, printed = work.run(before)
            if expected is None:
                expected = printed
            if printed != expected:
                sys.exit(f"{work.name}, {name}: it has printed other things")
            if number:
                runs[name].append((seconds, cpu))
    return runs


def ratios(runs, one, other):
    """Of pairs: how much faster `other` is than `one`."""
    return [a[0] / b[0] for a, b in zip(runs[one], runs[other])]


def spread(values):
    return (f"{statistics.median(values):5.2f} "
            f"({min(values):.2f} .. {max(values):.2f})")


def median_of(runs, index):
    return statistics.median(run[index] for run in runs)


def report(work, runs):
    plain = runs["plain"]
    line = f"{work.name:26} {median_of(plain, 0):7.3f} s"
    result = {"name": work.name, "plain_s": [run[0] for run in plain],
              "plain_cpu_s": [run[1] for run in plain]}
    for name in list(runs)[1:]:
        values = ratios(runs, "plain", name)
        line += (f"  {median_of(runs[name], 0):7.3f} s  {spread(values):22}")
        result[name + "_s"] = [run[0] for run in runs[name]]
        result[name + "_cpu_s"] = [run[1] for run in runs[name]]
    if "beside" in runs:
        line += f"  {spread(ratios(runs, 'beside', 'quire')):22}"
    line += "  cpu " + ", ".join(f"{median_of(some, 1):.2f}"
                                 for some in runs.values())
    print(line, flush=True)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--beside")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--folder")
    parser.add_argument("--json")
    chosen = parser.parse_args()
    arms = {"plain": []}
    for name, build in (("quire", chosen.build), ("beside", chosen.beside)):
        if build:
            arms[name] = [os.path.join(build, "quire"), "run", "--quiet",
                          "--budget", BUDGET, "--"]
    parent = chosen.folder or os.path.join(chosen.build, "bench")
    results = []
    print("program, plain; under quire run, and how much faster that is"
          + ("; the same beside; quire to beside" if chosen.beside else "")
          + "; processor seconds")
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        for work in works(folder, chosen.long):
            if chosen.only and chosen.only not in work.name:
                continue
            runs = measure(work, arms, 11 if chosen.long else 5)
            results.append(report(work, runs))
    if chosen.json:
        with open(chosen.json, "w", encoding="utf-8") as file:
            json.dump({"budget": BUDGET, "results": results}, file, indent=1)


main()
