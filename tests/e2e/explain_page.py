#!/usr/bin/env python3
# explain_page.py - a page of `quire explain` in a browser, as a reader sees it
# SPDX-License-Identifier: MIT
"""
explain_page.py CHROMIUM PAGE JSON FOLDER

Opens the page in a headless Chromium, goes through it with the button, the
arrow keys, the list and the address, and compares what is drawn at each step
with the JSON of the same story.  Then looks at light, dark and narrow
windows: nothing blank, nothing wider than the window, no colour pair that
cannot be read.  Screenshots go to FOLDER.  Prints "ok" and "not ok" lines;
exit status 1 if there is one of the latter.
"""

import base64
import json
import os
import struct
import subprocess
import sys
import zlib

failures = 0


def report(name, good, detail=""):
    global failures
    print(("ok" if good else "not ok") + " - " + name)
    if not good:
        failures += 1
        print("#   " + str(detail)[:2000])


class Browser:
    """Speaks the debugging protocol over two pipes: JSON, a NUL behind each."""

    def __init__(self, program, folder):
        to_it, self.to_it = os.pipe()
        self.from_it, from_it = os.pipe()
        # The browser knows its pipes as 3 and 4.
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" 3<&{to_it} 4>&{from_it}', "sh", program,
             "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking",
             "--remote-debugging-pipe", "--user-data-dir=" + folder,
             "about:blank"],
            pass_fds=[to_it, from_it], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_it)
        os.close(from_it)
        self.rest = b""
        self.number = 0
        self.session = None
        self.errors = []
        self.requests = []

    def receive(self):
        while b"\0" not in self.rest:
            piece = os.read(self.from_it, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has ended")
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(message)
        method = message.get("method")
        if method == "Runtime.exceptionThrown":
            self.errors.append(message["params"])
        if method == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        return message

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_it, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def wait_for(self, method):
        while self.receive().get("method") != method:
            pass

    def attach(self):
        for target in self.call("Target.getTargets")["targetInfos"]:
            if target["type"] == "page":
                self.session = self.call("Target.attachToTarget",
                                         targetId=target["targetId"],
                                         flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(domain + ".enable")

    def open(self, address):
        self.call("Page.navigate", url=address)
        self.wait_for("Page.loadEventFired")

    def value(self, script):
        result = self.call("Runtime.evaluate", expression=script,
                           returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def key(self, name):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name)

    def end(self):
        self.process.kill()
        self.process.wait()


# What is on the page, as a reader finds it: by headings, labels and text.
READ = """(() => {
  const text = (e) => e.textContent;
  const all = (e, s) => [...e.querySelectorAll(s)];
  const rows = (e) => all(e, "tbody tr").map((r) => ({
      cells: all(r, "td").map(text), changed: r.className === "changed"}));
  const sections = (id) => all(document.getElementById(id), ":scope > section")
    .map((s) => ({ label: s.getAttribute("aria-label"),
      areas: all(s, ".area").map((a) => ({ text: text(a),
          changed: a.classList.contains("changed") })),
      tree: all(s, "svg g").map(text),
      lines: all(s, "svg line").length, rows: rows(s) }));
  return { count: text(document.getElementById("count")),
    source: text(document.getElementById("source")),
    says: all(document.getElementById("says"), "p").map(text),
    result: text(document.getElementById("result")),
    stations: all(document.getElementById("stations"), "li").map(text),
    spaces: sections("spaces"), files: sections("files"),
    memory: text(document.getElementById("memory")),
    listed: all(document, "nav button[aria-current]").map(text),
    previous: !document.getElementById("previous").disabled,
    next: !document.getElementById("next").disabled };
})()"""


def shown_bytes(page, which):
    text = page.get(which)
    if text is None:
        return ""
    if text and not text.replace("\\0", ""):
        return "zeros"
    if text.endswith("\\0\\0"):
        while text.endswith("\\0"):
            text = text[:-2]
        text += " zeros"
    return (f"+{page['at']} " if page["at"] else "") + text


def expected_entry(page):
    source = page["source"]
    if source == "none":
        source = "no entry"
    elif source == "object":
        source = f"page {page['index']}"
    elif source == "private" and page["holders"] > 1:
        source = f"private, {page['holders']} hold it"
    return {"cells": [page["address"], page.get("rights", ""), source,
                      page.get("state", ""), shown_bytes(page, "bytes")],
            "changed": page["changed"]}


def expected_cached(page):
    equal = "" if "cache" not in page else \
        "differ" if page["differs"] else "equal"
    return {"cells": [str(page["index"]), page["state"],
                      shown_bytes(page, "cache"), shown_bytes(page, "file"),
                      equal],
            "changed": page["changed"]}


def expected_space(process):
    areas, nodes = process["areas"], process["nodes"]
    many = len(areas) > 1
    return {
        "label": "Address space of the " + process["name"],
        "areas": [{"text": f"{a['start']}-{a['end']}{a['rights']}"
                           f"{a['pages']} page{'s' if a['pages'] != 1 else ''}"
                           + (f"{a['object']} from byte {a['offset']}"
                              if a["object"] else "anonymous") + a["names"],
                   "changed": a["changed"]} for a in areas],
        "tree": [f"{n['start']}-{n['end']}widest gap: {n['widest_gap']}"
                 for n in nodes]
        + [f"{a['start']}-{a['end']}{a['rights']} "
           + (a["object"] or "anonymous")[:16] for a in areas]
        if many else [],
        "lines": len(nodes) + len(areas) - 1 if many else 0,
        "rows": [expected_entry(p) for a in areas for p in a["table"]],
    }


def expected_file(it):
    return {"label": it["name"] + " in cache and file", "areas": [],
            "tree": [], "lines": 0,
            "rows": [expected_cached(p) for p in it["pages"]]}


def compare(name, shown, story, index):
    step = story["steps"][index]
    last = len(story["steps"]) - 1
    parts = {
        "count": (shown["count"], f"Step {index + 1} of {last + 1}"),
        "source": (shown["source"], step["source"]),
        "says": (shown["says"], step["says"]),
        "stations": (shown["stations"],
                     [s["station"] + s["line"] for s in step["stations"]]),
        "spaces": (shown["spaces"],
                   [expected_space(p) for p in step["processes"]]),
        "files": (shown["files"], [expected_file(f) for f in step["files"]]),
        "listed": (shown["listed"], [f"{index + 1}  {step['source']}"]),
        "buttons": ([shown["previous"], shown["next"]],
                    [index > 0, index < last]),
    }
    wrong = {k: v for k, v in parts.items() if v[0] != v[1]}
    if step["result"]["text"] not in shown["result"]:
        wrong["result"] = (shown["result"], step["result"]["text"])
    report(name, not wrong, wrong)


def walk(browser, story):
    last = len(story["steps"]) - 1
    for index in range(last + 1):
        compare(f"step {index + 1} shows what its JSON says",
                browser.value(READ), story, index)
        browser.value("document.getElementById('next').click()")
    compare("there is nothing behind the last step", browser.value(READ),
            story, last)
    browser.key("ArrowLeft")
    compare("the left arrow goes back", browser.value(READ), story, last - 1)
    browser.key("ArrowRight")
    compare("the right arrow goes on", browser.value(READ), story, last)
    browser.value("document.getElementById('previous').click()")
    compare("the other button goes back", browser.value(READ), story, last - 1)
    browser.value("document.querySelectorAll('nav button')[1].click()")
    compare("the list leads to its steps", browser.value(READ), story, 1)
    report("the address says which step it is",
           browser.value("location.hash") == "#step=2",
           browser.value("location.hash"))
    browser.key("Home")
    compare("Home is the first", browser.value(READ), story, 0)


# ---- looks ----

def pixels(image):
    """The rows of a PNG of 8 bits a channel, each as its bytes."""
    at, data, width, channels = 8, b"", 0, 0
    while at < len(image):
        length, kind = struct.unpack(">I4s", image[at:at + 8])
        body = image[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width = struct.unpack(">I", body[:4])[0]
            channels = {2: 3, 6: 4}[body[9]]
        elif kind == b"IDAT":
            data += body
        at += length + 12
    data = zlib.decompress(data)
    stride = width * channels + 1
    return [data[i + 1:i + stride] for i in range(0, len(data), stride)]


def is_drawn(image):
    """Rows that are not one colour's encoding, all over the upper half."""
    rows = pixels(image)
    drawn = sum(len(set(row)) > 8 for row in rows[:len(rows) // 2])
    return drawn > len(rows) // 8


# The contrast of every text with what is behind it, as WCAG counts it; the
# lowest, and whose it is.
CONTRAST = """(() => {
  const numbers = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = numbers(c).map((v) =>
      (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (numbers(c).length === 3) return c; }
    return "rgb(255, 255, 255)"; };
  let worst = [21, ""];
  for (const e of document.querySelectorAll("body *")) {
    if (e.disabled || e.closest("svg") || !e.offsetParent ||
        ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
      continue;
    const a = light(getComputedStyle(e).color), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, e.textContent.slice(0, 40)];
  }
  return worst;
})()"""

# Everything that takes the focus and has no name.
NAMELESS = """[...document.querySelectorAll("button, [tabindex], svg, section")]
  .filter((e) => !e.textContent.trim() && !e.getAttribute("aria-label"))
  .length"""


def look(browser, folder, name, width, height, scheme):
    browser.call("Emulation.setDeviceMetricsOverride", width=width,
                 height=height, deviceScaleFactor=1, mobile=False)
    browser.call("Emulation.setEmulatedMedia", features=[
        {"name": "prefers-color-scheme", "value": scheme}])
    image = base64.b64decode(browser.call("Page.captureScreenshot")["data"])
    with open(os.path.join(folder, name + ".png"), "wb") as stream:
        stream.write(image)
    report(f"{name}: something is drawn", is_drawn(image))
    wide = browser.value("document.documentElement.scrollWidth")
    report(f"{name}: nothing is wider than the window", wide <= width, wide)
    contrast = browser.value(CONTRAST)
    report(f"{name}: every text can be read", contrast[0] >= 4.5, contrast)


def main():
    program, page, story_path, folder = sys.argv[1:]
    with open(story_path, encoding="utf-8") as stream:
        story = json.load(stream)
    browser = Browser(program, os.path.join(folder, "profile"))
    try:
        browser.attach()
        browser.open("file://" + page)
        walk(browser, story)
        browser.open("about:blank")
        browser.open(f"file://{page}#step=3")
        compare("an address leads to its step", browser.value(READ), story, 2)
        report("what can be focused has a name",
               browser.value(NAMELESS) == 0, browser.value(NAMELESS))
        for step in (1, len(story["steps"]) // 2):
            browser.value(f"show({step}, true)")
            for name, width, scheme in (("light", 1300, "light"),
                                        ("dark", 1300, "dark"),
                                        ("narrow", 390, "dark")):
                look(browser, folder, f"{name}-{step + 1}", width, 1200, scheme)
        report("no script fails", not browser.errors, browser.errors)
        others = [u for u in browser.requests
                  if not u.startswith(("file://" + page, "about:", "data:"))]
        report("nothing else is asked for", not others, others)
    finally:
        browser.end()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
