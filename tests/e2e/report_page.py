#!/usr/bin/env python3
# report_page.py - a page of `quire run --report` in a browser
# SPDX-License-Identifier: MIT
"""
report_page.py CHROMIUM FOLDER

FOLDER has two.html and nothing.html as report_sample writes them.  Opens them
in a headless Chromium and looks at what is drawn: pixels of the canvases at
places where the sample is known to have something, and where it has nothing;
tables; keys; light, dark and narrow windows.  Screenshots go to FOLDER.
Prints "ok" and "not ok" lines; exit status 1 if there is one of the latter.
"""

import os
import sys

import explain_page
from explain_page import CONTRAST, NAMELESS, Browser, look, report

SECONDS = 8
MIB = 1 << 20


class Listener(Browser):
    """Hears what is said on the console as well."""

    def receive(self):
        message = super().receive()
        # Reading pixels back, as this test does, is said to be slow.
        if message.get("method") in ("Runtime.consoleAPICalled",
                                     "Log.entryAdded") \
                and "willReadFrequently" not in str(message):
            self.errors.append(message["params"])
        return message

    def settle(self):
        """Until what follows from a change has been drawn."""
        self.call("Runtime.evaluate", awaitPromise=True, expression="""
            new Promise((done) => requestAnimationFrame(() =>
                requestAnimationFrame(() => setTimeout(done))))""")

    def attach(self):
        super().attach()
        self.call("Log.enable")


# The colour at a place of a plot, in the plot's own values, as [r, g, b, a].
PIXEL = """((name, x, y) => { const plot = plots[name];
  return [...plot.ctx.getImageData(
    Math.round(plot.valToPos(x, "x", true)),
    Math.round(plot.valToPos(y, "y", true)), 1, 1).data]; })"""

# How many of its pixels are not clear, within the axes.
INK = """((name) => { const { ctx, bbox } = plots[name];
  const bytes = ctx.getImageData(bbox.left, bbox.top, bbox.width,
                                 bbox.height).data;
  let count = 0;
  for (let i = 3; i < bytes.length; i += 4) count += bytes[i] > 0;
  return count / (bbox.width * bbox.height); })"""


def pixel(browser, name, x, y):
    return browser.value(f"{PIXEL}({name!r}, {x}, {y})")


def is_coloured(rgba, colour):
    """Of that hue: grid lines are grey, what is clear has no alpha."""
    red, _, blue, alpha = rgba
    if alpha < 40:
        return False
    return blue > red + 40 if colour == "blue" else red > blue + 40


def heat(browser, offset_mib, second):
    return pixel(browser, "heat", second, offset_mib * MIB)


def choose(browser, number, kind):
    browser.value(f"""(() => {{
        const list = document.getElementById("heat-file");
        list.value = {number};
        list.dispatchEvent(new Event("change"));
        document.querySelector("[name=kind][value={kind}]").click(); }})()""")


def see_scan(browser):
    """Offset rises with time, 32 MiB a second: nothing beside that line."""
    choose(browser, 0, "read")
    for second in (0.52, 2.03, 4.03, 6.03, 7.52):
        on = heat(browser, 32 * second, second)
        report(f"the scan is a diagonal: on it at {second} s",
               is_coloured(on, "blue"), on)
        for aside in (-48, 48):
            offset = 32 * second + aside
            if 0 < offset < 256:
                off = heat(browser, offset + 1, second + 0.013)
                report(f"... and nothing {aside} MiB beside it",
                       not is_coloured(off, "blue"), off)
    ink = browser.value(f"{INK}('heat')")
    choose(browser, 0, "evicted")
    late = heat(browser, 32 * 6.03 - 64, 6.03)
    early = heat(browser, 32 * 6.03, 6.03)
    report("what leaves is 64 MiB behind, in another colour",
           is_coloured(late, "red") and not is_coloured(early, "red"),
           (late, early))
    choose(browser, 0, "written")
    none = browser.value(f"{INK}('heat')")
    report("nothing was written, and nothing but the grid is drawn",
           none < ink, (none, ink))
    return none


def see_hot(browser):
    """Two MiB from 48 MiB on, all the time: a line across the whole map."""
    choose(browser, 1, "written")
    for second in (0.1, 1.73, 4.03, 6.73, 7.9):
        on = heat(browser, 49, second)
        report(f"the hot pages are a level line: on it at {second} s",
               is_coloured(on, "red"), on)
        for offset in (9, 45, 53, 60):
            off = heat(browser, offset, second)
            report(f"... and nothing at {offset} MiB",
                   not is_coloured(off, "red"), off)
    choose(browser, 1, "read")
    first = heat(browser, 20, 0.01)
    later = heat(browser, 20, 4.03)
    report("all of it was read at the start, and never again",
           is_coloured(first, "blue") and not is_coloured(later, "blue"),
           (first, later))


def see_curves(browser, grid):
    for name in ("set", "curve", "stall"):
        ink = browser.value(f"{INK}('{name}')")
        report(f"{name}: more is drawn than a grid", ink > 0.5 * grid, ink)
    bar = pixel(browser, "stall", 7, 1000)
    beside = pixel(browser, "stall", 9, 1000)
    report("waits: 100 us lie from 64 us on",
           is_coloured(bar, "blue") and not is_coloured(beside, "blue"),
           (bar, beside))
    dot = pixel(browser, "curve", 64 * MIB, 320 * MIB)
    report("budgets: the run's own is marked where it read 320 MiB",
           is_coloured(dot, "red"), dot)
    line = [pixel(browser, "set", s, 64 * MIB) for s in
            (x / 100 for x in range(400, 440))]
    report("working set: the budget is a line",
           any(is_coloured(p, "red") for p in line), line[:4])


def cells(browser, table):
    return browser.value(f"""[...document.querySelectorAll(
        "#{table} tbody tr")].map((r) => [...r.cells]
        .map((c) => c.textContent))""")


def see_tables(browser):
    title = browser.value("document.getElementById('title').textContent")
    report("the title is the program, to the letter",
           title == 'sample --of </script> "a" program', title)
    files = cells(browser, "files-table")
    report("the files' table", files == [
        ["/data/scanned.dat", "256 MiB", "256 MiB", "0", "0 bytes",
         "192 MiB", "2,048", "205 ms"],
        ["/data/</script><b>hot", "64 MiB", "64 MiB", "32,768", "128 MiB",
         "0 bytes", "1", "3 ms"]], files)
    mappings = [row[:2] + row[3:] for row in cells(browser, "mappings-table")]
    report("the mappings' table", mappings == [
        ["/data/scanned.dat", "4711", "7fffe0000000-7ffff0000000", "256 MiB",
         "0 bytes", "shared"],
        ["/data/</script><b>hot", "4711", "7fffe0000000-7fffe4000000",
         "64 MiB", "0 bytes", "shared, for writing"]], mappings)
    budgets = cells(browser, "curve-table")
    report("the budgets' table has the round ones, and what was measured",
           [row[0] for row in budgets] ==
           ["64 MiB (this run)", "128 MiB", "256 MiB", "512 MiB", "1 GiB"]
           and budgets[0][1] == "320 MiB" and budgets[0][3] == "measured",
           budgets)


def see_keys(browser):
    choose(browser, 0, "read")
    browser.value("document.getElementById('heat').focus()")
    told = "document.getElementById('heat-at').textContent"
    browser.key("Home")
    start = browser.value(told)
    report("Home tells what is at the start",
           start.startswith("At 0 us, from 0 bytes on: ")
           and start.endswith(" pages read"), start)
    browser.key("ArrowUp")
    above = browser.value(told)
    report("the up arrow tells of the offsets behind",
           "from 2 MiB on: 0 pages" in above, above)
    for _ in range(3):
        browser.key("ArrowRight")
    aside = browser.value(told)
    report("the right arrow goes on in time", aside.startswith("At 101 ms, "),
           aside)


def see_looks(browser, folder, page):
    for name, width, scheme in (("light", 1100, "light"),
                                ("dark", 1100, "dark"),
                                ("narrow", 400, "dark"),
                                ("narrow-light", 400, "light")):
        # Twice, as plots follow the window after it has changed.
        browser.call("Emulation.setDeviceMetricsOverride", width=width,
                     height=900, deviceScaleFactor=1, mobile=False)
        browser.settle()
        look(browser, folder, f"{page}-{name}", width, 900, scheme)
    report(f"{page}: what can be focused has a name",
           browser.value(NAMELESS) == 0)
    images = browser.value("""[...document.querySelectorAll("[role=img]")]
        .filter((e) => !e.getAttribute("aria-label")).length""")
    report(f"{page}: what is drawn is described", images == 0, images)


def see_window(browser):
    """Plots are drawn anew for another width, or other colours."""
    browser.call("Emulation.setDeviceMetricsOverride", width=400, height=900,
                 deviceScaleFactor=1, mobile=False)
    browser.settle()
    width = browser.value("plots.heat.width")
    report("narrow: the map is as wide as its place", 200 < width < 400, width)
    dark = heat(browser, 32 * 4.03, 4.03)
    browser.call("Emulation.setEmulatedMedia", features=[
        {"name": "prefers-color-scheme", "value": "dark"}])
    browser.settle()
    light = heat(browser, 32 * 4.03, 4.03)
    report("dark: the colours are others", dark != light and light[3] > 40,
           (dark, light))
    contrast = browser.value(CONTRAST)
    report("dark: every text can be read", contrast[0] >= 4.5, contrast)


def see_nothing(browser):
    text = browser.value("document.body.innerText")
    report("nothing recorded: the page says so",
           "Nothing was recorded." in text, text[:300])
    report("... and has plots all the same",
           browser.value("Object.keys(plots).join()") == "set,curve,stall")


def open_page(browser, folder, name):
    browser.open(f"file://{folder}/{name}.html")
    report(f"{name}: the plotting library is there",
           browser.value("typeof uPlot") == "function")


def main():
    program, folder = sys.argv[1:]
    browser = Listener(program, os.path.join(folder, "profile"))
    try:
        browser.attach()
        browser.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "light"}])
        browser.call("Emulation.setDeviceMetricsOverride", width=1100,
                     height=900, deviceScaleFactor=1, mobile=False)
        open_page(browser, folder, "two")
        grid = see_scan(browser)
        see_hot(browser)
        see_curves(browser, grid)
        see_tables(browser)
        see_keys(browser)
        see_looks(browser, folder, "two")
        browser.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "light"}])
        see_window(browser)
        open_page(browser, folder, "nothing")
        see_nothing(browser)
        see_looks(browser, folder, "nothing")
        report("no script fails, nor complains", not browser.errors,
               browser.errors)
        others = [u for u in browser.requests
                  if not u.startswith((f"file://{folder}/", "about:"))]
        report("nothing else is asked for", not others, others)
    finally:
        browser.end()
    return 1 if explain_page.failures else 0


if __name__ == "__main__":
    sys.exit(main())
