/* page.js - the page as a whole */
/* SPDX-License-Identifier: MIT */
"use strict";

const plots = {};
const drawn = data.files.filter((file) => file.maps);
const makers = { set: setPlot, curve: curvePlot, stall: stallPlot };

if (drawn.length)
	makers.heat = heatPlot;

function draw(name) {
	const where = element(name);

	if (plots[name])
		plots[name].destroy();
	where.replaceChildren();
	/* Its place has a width only when it is not empty. */
	where.style.display = "block";
	plots[name] = makers[name](where, where.clientWidth);
	if (name === "heat")
		heatLegend();
}

function drawAll() {
	for (const name of Object.keys(makers))
		draw(name);
}

function factsWords() {
	const sum = (kind) => data.files.reduce((n, file) => n + file[kind], 0);
	const facts = [["Budget", bytesText(data.budget)],
		["In memory at most", bytesText(data.resident_peak)],
		["Duration", timeText(data.duration_ns)],
		["Traps", countText(data.traps)],
		["Read", pagesText(sum("read"))],
		["Written", pagesText(sum("written"))],
		["Evicted", pagesText(sum("evicted"))]];

	document.title = "quire run: " + data.program;
	element("title").textContent = data.program;
	element("made").textContent = "Made by quire run --report, Quire " +
		data.version + ".";
	for (const [name, value] of facts) {
		const group = document.createElement("div");
		const term = document.createElement("dt");
		const text = document.createElement("dd");

		term.textContent = name;
		text.textContent = value;
		group.append(term, text);
		element("facts").append(group);
	}
}

function filesWords() {
	fillTable("files-table", [["File", "name"], ["Up to", "number"],
		["Read", "number"], ["Trapped on", "number"],
		["Written", "number"], ["Evicted", "number"],
		["Waits", "number"], ["Waited", "number"]],
	data.files.map((file) => [file.name,
		file.rest ? "" : pagesText(file.pages), pagesText(file.read),
		countText(file.touched), pagesText(file.written),
		pagesText(file.evicted), countText(file.stalls),
		timeText(file.stalled_ns)]));
}

function mappingsWords() {
	fillTable("mappings-table", [["File", "name"], ["Process", "number"],
		["At", "number"], ["Addresses", ""], ["Length", "number"],
		["Offset", "number"], ["Kind", ""]],
	data.mappings.map((mapping) => [
		(data.files[mapping.file] || data.files[data.files.length - 1])
			.name,
		String(mapping.pid), timeText(mapping.start_ns), mapping.place,
		bytesText(mapping.length), bytesText(mapping.offset),
		(mapping.shared ? "shared" : "private") +
		(mapping.writable ? ", for writing" : "")]));
	element("mappings-note").textContent = data.mappings_lost ?
		`${countText(data.mappings_lost)} more were made.` : "";
}

/* The width changes with the window, the colours with the time of day. */
function follow() {
	let width = document.body.clientWidth;

	new ResizeObserver(() => {
		if (document.body.clientWidth === width)
			return;
		width = document.body.clientWidth;
		drawAll();
	}).observe(document.body);
	matchMedia("(prefers-color-scheme: dark)")
		.addEventListener("change", drawAll);
}

factsWords();
setWords();
curveWords();
stallWords();
filesWords();
mappingsWords();
if (typeof uPlot === "undefined") {
	element("missing").hidden = false;
	element("heat").closest("section").hidden = true;
} else {
	if (drawn.length) {
		heatControls(drawn, () => draw("heat"));
	} else {
		for (const id of ["heat", "heat-help", "heat-file"])
			element(id).hidden = true;
		element("heat-none").hidden = false;
		element("heat-none").textContent = "Nothing was recorded.";
	}
	drawAll();
	follow();
}
