/* heat.js - the map of offset by time */
/* SPDX-License-Identifier: MIT */
"use strict";

const heat = { file: null, kind: "read", bins: null, rows: 0, most: 0,
	time: -1, offset: -1 };

/* The bins of a map: data has how many empty ones precede each. */
function unpack(text) {
	const numbers = text.trim().split(" ").map(Number);
	const bins = new Map();
	let at = -1;

	for (let i = 0; i + 1 < numbers.length; i += 2) {
		at += numbers[i] + 1;
		bins.set(at, numbers[i + 1]);
	}
	return bins;
}

/* What of the map is used: the file's end, and the run's. */
const heatOffsets = () =>
	Math.max(1, Math.ceil(heat.file.pages / heat.file.bin_pages));

function timesUsed() {
	let last = Math.ceil(data.duration_ns / data.bin_ns);

	for (const file of data.files)
		file.working_set.forEach((pages, time) => {
			if (pages && time >= last)
				last = time + 1;
		});
	return Math.min(256, Math.max(1, last));
}

const times = timesUsed();

function heatChoose(file, kind) {
	heat.file = file;
	heat.kind = kind;
	heat.bins = unpack(file.maps[kind]);
	heat.most = Math.max(1, ...heat.bins.values());
	heat.time = heat.offset = -1;
}

/* 0 to 1, by the logarithm: a single page can be seen beside a thousand. */
const heatStrength = (count) =>
	0.2 + 0.8 * Math.log(count) / Math.max(Math.log(heat.most), 1e-9);

function heatCell(plot, time, offset) {
	const second = data.bin_ns / 1e9, bytes = heat.file.bin_pages * page;
	const x = plot.valToPos(time * second, "x", true);
	const y = plot.valToPos((offset + 1) * bytes, "y", true);
	const right = plot.valToPos((time + 1) * second, "x", true);
	const bottom = plot.valToPos(offset * bytes, "y", true);

	return [Math.floor(x), Math.floor(y),
		Math.max(1, Math.ceil(right) - Math.floor(x)),
		Math.max(1, Math.ceil(bottom) - Math.floor(y))];
}

function heatPaint(plot) {
	const context = plot.ctx, box = plot.bbox;
	const rgb = color("--" + heat.kind);

	context.save();
	context.beginPath();
	context.rect(box.left, box.top, box.width, box.height);
	context.clip();
	for (const [at, count] of heat.bins) {
		context.fillStyle = `rgba(${rgb}, ` +
			Math.min(1, heatStrength(count)) + ")";
		context.fillRect(...heatCell(plot, Math.floor(at / data.offsets),
			at % data.offsets));
	}
	if (heat.time >= 0) {
		context.strokeStyle = color("--ink");
		context.lineWidth = 2;
		context.strokeRect(...heatCell(plot, heat.time, heat.offset));
	}
	context.restore();
}

/* Says what is at a place, and marks it. */
function heatTell(plot, time, offset) {
	const bin = heat.file.bin_pages * page;

	heat.time = Math.min(times - 1, Math.max(0, time));
	heat.offset = Math.min(heatOffsets() - 1, Math.max(0, offset));
	const count =
		heat.bins.get(heat.time * data.offsets + heat.offset) || 0;

	element("heat-at").textContent =
		`At ${timeText(heat.time * data.bin_ns)}, from ` +
		`${bytesText(heat.offset * bin)} on: ${countText(count)} ` +
		(count === 1 ? "page " : "pages ") + heat.kind;
	plot.redraw(false);
}

function heatKey(event) {
	const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0],
		ArrowDown: [0, -1], ArrowUp: [0, 1] };
	const plot = plots.heat;

	if (!plot || event.altKey || event.ctrlKey || event.metaKey)
		return;
	if (event.key === "Home")
		heatTell(plot, 0, 0);
	else if (steps[event.key])
		heatTell(plot, heat.time + steps[event.key][0],
			heat.offset + steps[event.key][1]);
	else
		return;
	event.preventDefault();
}

function heatPointer(plot) {
	plot.over.addEventListener("mousemove", (event) => {
		const area = plot.over.getBoundingClientRect();
		const second = plot.posToVal(event.clientX - area.left, "x");
		const bytes = plot.posToVal(event.clientY - area.top, "y");

		heatTell(plot, Math.floor(second * 1e9 / data.bin_ns),
			Math.floor(bytes / page / heat.file.bin_pages));
	});
}

function heatPlot(where, width) {
	const end = times * data.bin_ns / 1e9;
	const bytes = heatOffsets() * heat.file.bin_pages * page;

	return new uPlot({
		width: width, height: 360, legend: { show: false },
		cursor: { x: false, y: false, drag: { x: false, y: false } },
		scales: { x: { time: false, range: [0, end] },
			y: { range: [0, bytes] } },
		axes: [secondsAxis(end), bytesAxis("Offset", bytes)],
		series: [{}, { show: false }],
		hooks: { drawAxes: [heatPaint], ready: [heatPointer] },
	}, [[0, end], [0, bytes]], where);
}

function heatLegend() {
	const rgb = color("--" + heat.kind);

	element("heat-ramp").style.background = "linear-gradient(to right, " +
		`rgba(${rgb}, 0.2), rgb(${rgb}))`;
	element("heat-scale").textContent = "1 to " + countText(heat.most) +
		" pages " + heat.kind + " in " + timeText(data.bin_ns) +
		" and " + pagesText(heat.file.bin_pages);
	element("heat").setAttribute("aria-label",
		`Map of offset by time: pages ${heat.kind} of ` +
		`${heat.file.name}, ${countText(heat.file[heat.kind])} in all`);
	element("heat-at").textContent = "";
}

function heatControls(files, again) {
	files.forEach((file, index) =>
		element("heat-file").add(new Option(file.name, index)));
	for (const kind of kinds) {
		const label = document.createElement("label");
		const input = document.createElement("input");

		input.type = "radio";
		input.name = "kind";
		input.value = kind;
		input.checked = kind === "read";
		label.append(input, " " + kind);
		element("heat-kind").append(label);
	}
	const choose = () => {
		heatChoose(files[element("heat-file").value],
			document.querySelector("[name=kind]:checked").value);
		again();
	};

	element("heat-file").addEventListener("change", choose);
	element("heat-kind").addEventListener("change", choose);
	element("heat").addEventListener("keydown", heatKey);
	heatChoose(files[0], "read");
}
