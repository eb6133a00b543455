/* curves.js - working set, budgets, waits */
/* SPDX-License-Identifier: MIT */
"use strict";

function axis(label, more) {
	const font = "12px system-ui, sans-serif";

	return Object.assign({ label: label, labelFont: font, font: font,
		stroke: color("--faint"), labelSize: 20,
		grid: { stroke: color("--line"), width: 1 },
		ticks: { stroke: color("--line"), width: 1 } }, more);
}

function secondsAxis(end) {
	const [size, name] = end >= 1 ? [1, "s"] : [1e-3, "ms"];

	return axis(`Time [${name}]`, {
		values: (plot, splits) => splits.map((v) => digits(v / size)) });
}

/* Ticks at powers of two, and their halves. */
function bytesAxis(label, most) {
	const [size, name] = unitOf(most);
	const steps = [];

	for (let n = -6; n <= 10; n++)
		steps.push(size * 2 ** n);
	return axis(`${label} [${name}]`, { size: 60, incrs: steps,
		values: (plot, splits) => splits.map((v) => digits(v / size)) });
}

const valueText = (plot, value) => value === null ? "" : bytesText(value);

/* ---- working set ---- */

function setValues() {
	const sums = new Array(times).fill(0);

	for (const file of data.files)
		for (let time = 0; time < times; time++)
			sums[time] += file.working_set[time] * page;
	return sums;
}

function setPlot(where, width) {
	const sums = setValues();
	const second = data.bin_ns / 1e9, end = times * second;
	const most = Math.max(data.budget, ...sums) * 1.05;
	const at = sums.map((sum, time) => time * second);

	/* A step for the last bin, too. */
	at.push(end);
	return new uPlot({
		width: width, height: 280,
		scales: { x: { time: false, range: [0, end] },
			y: { range: [0, most] } },
		axes: [secondsAxis(end), bytesAxis("Distinct pages", most)],
		cursor: { drag: { x: false } },
		series: [
			{ label: "time",
				value: (plot, v) => v === null ? "" :
					timeText(v * 1e9) },
			{ label: "working set", stroke: color("--accent"),
				fill: color("--band"), width: 2,
				paths: uPlot.paths.stepped({ align: 1 }),
				points: { show: false }, value: valueText },
			{ label: "budget", stroke: color("--warm"), width: 2,
				dash: [6, 4], points: { show: false },
				value: valueText },
		],
	}, [at, sums.concat(sums[times - 1]), at.map(() => data.budget)], where);
}

function setWords() {
	const sums = setValues();
	const most = Math.max(...sums);

	element("set").setAttribute("aria-label",
		"Working set over time: at most " + bytesText(most) +
		" in a bin, beside a budget of " + bytesText(data.budget));
	element("set-note").textContent =
		`Distinct pages read or trapped on within each ` +
		`${timeText(data.bin_ns)}, estimated to some 3 %; at most ` +
		`${bytesText(most)}.`;
	fillTable("set-table", [["Time", "number"], ["Working set", "number"]],
		sums.map((sum, time) => [timeText(time * data.bin_ns),
			bytesText(sum)]));
}

/* ---- budgets ---- */

const points = data.curve.points;
const ownPages = Math.floor(data.budget / page);

/* Dots at the round numbers, a greater one at the run's own. */
function curveDots(plot) {
	const context = plot.ctx;

	for (const point of points.filter((p) => p.marked)) {
		const own = point.pages === ownPages;

		context.beginPath();
		context.arc(plot.valToPos(point.pages * page, "x", true),
			plot.valToPos(point.guess * page, "y", true),
			(own ? 6 : 4) * devicePixelRatio, 0, 2 * Math.PI);
		context.fillStyle = color(own ? "--warm" : "--accent");
		context.fill();
	}
}

function curvePlot(where, width) {
	const column = (f) => points.map(f);
	const below = (p) => p.pages <= ownPages;
	const scale = (v) => v === undefined ? null : v * page;
	const most = Math.max(page,
		...points.map((p) => Math.max(p.guess, p.most || 0) * page));
	const line = (label, more) => Object.assign({ label: label,
		stroke: color("--accent"), width: 2, points: { show: false },
		value: valueText }, more);
	const edge = { stroke: color("--faint"), width: 1 };
	const ticks = width < 500 ? 8 : 2;

	return new uPlot({
		width: width, height: 320,
		scales: { x: { time: false, distr: 3, log: 2 },
			y: { range: [0, most * 1.08] } },
		axes: [axis("Budget", {
			/* Every third power where there is little room. */
			filter: (plot, splits) => splits.map((v) =>
				Math.log2(v) % Math.log2(ticks) ? null : v),
			values: (plot, splits) => splits.map((v) =>
				v === null ? "" : bytesText(v)
					.replace("iB", "").replace(" ", "")),
		}), bytesAxis("Read", most)],
		cursor: { drag: { x: false } },
		series: [
			{ label: "budget", value: valueText },
			line("guess, below", { dash: [6, 4] }),
			line("guess"),
			line("at most", edge), line("at least", edge),
		],
		bands: [{ series: [3, 4], fill: color("--band") }],
		hooks: { draw: [curveDots] },
	}, [column((p) => p.pages * page),
		column((p) => below(p) ? scale(p.guess) : null),
		column((p) => p.pages >= ownPages ? scale(p.guess) : null),
		column((p) => p.pages >= ownPages ? scale(p.most) : null),
		column((p) => p.pages >= ownPages ? scale(p.least) : null)],
	where);
}

const share = (pages) => data.curve.references ?
	digits(100 * pages / data.curve.references) + " %" : "";

function curveRow(point) {
	const own = point.pages === ownPages;
	const below = point.pages < ownPages;

	return [pagesText(point.pages) + (own ? " (this run)" : ""),
		pagesText(point.guess), share(point.guess),
		own ? "measured" : pagesText(point.least) +
			(below ? " or more" :
				" to " + pagesText(point.most))];
}

function curveWords() {
	const marked = points.filter((p) => p.marked);
	const followed = Math.max(0.01, 100 * data.curve.share);

	element("curve").setAttribute("aria-label",
		"Estimated reading for each budget: " + marked.map((p) =>
			pagesText(p.pages) + ", " + pagesText(p.guess)).join("; "));
	element("curve-note").textContent =
		`${countText(data.curve.references)} references (a page read, or ` +
		`trapped on) to about ${countText(Math.round(data.curve.distinct))} ` +
		`distinct pages; ${digits(followed)} % of the pages were followed.`;
	fillTable("curve-table", [["Budget", "number"], ["Read", "number"],
		["Misses of references", "number"], ["Between", "number"]],
	marked.map(curveRow), (index) => marked[index].pages === ownPages);
}

/* ---- waits ---- */

function stallSums() {
	const sums = new Array(32).fill(0);

	for (const file of data.files)
		file.stall.forEach((count, bin) => sums[bin] += count);
	return sums;
}

const stallFrom = (bin) => bin === 0 ? "0" : timeText(2 ** (bin - 1) * 1e3);

function stallPlot(where, width) {
	const sums = stallSums();
	const first = Math.max(0, sums.findIndex((n) => n) - 1);
	const last = Math.min(31, sums.findLastIndex((n) => n) + 1);
	const bins = [];

	for (let bin = first; bin <= Math.max(last, first + 6) && bin < 32; bin++)
		bins.push(bin);
	const every = width < 500 ? 3 : 1;
	const most = Math.max(1, ...sums);

	return new uPlot({
		width: width, height: 260, legend: { show: false },
		cursor: { show: false },
		scales: { x: { time: false,
			range: [bins[0] - 0.6, bins[bins.length - 1] + 0.6] },
		y: { range: [0, most * 1.05] } },
		axes: [axis("Wait, from", { splits: bins,
			values: () => bins.map((bin) =>
				bin % every ? "" : stallFrom(bin)) }),
		axis("Accesses", { size: 60 })],
		series: [{}, { fill: color("--accent"), width: 0,
			points: { show: false },
			paths: uPlot.paths.bars({ size: [0.8, 100] }) }],
	}, [bins, bins.map((bin) => sums[bin])], where);
}

function stallWords() {
	const sums = stallSums();
	const total = sums.reduce((a, b) => a + b, 0);
	const ns = data.files.reduce((sum, file) => sum + file.stalled_ns, 0);
	const words = `${countText(total)} accesses waited for their page, ` +
		`${timeText(ns)} together.`;

	element("stall").setAttribute("aria-label",
		"Histogram of waits by powers of two: " + words);
	element("stall-note").textContent = words;
	fillTable("stall-table", [["From", "number"], ["Accesses", "number"]],
		sums.map((count, bin) => [stallFrom(bin), countText(count)])
			.filter((row, bin) => sums[bin]));
}
