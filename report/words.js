/* words.js - the data, and how its numbers are said */
/* SPDX-License-Identifier: MIT */
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const page = 4096;
const kinds = ["read", "touched", "written", "evicted"];
const element = (id) => document.getElementById(id);

const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/* The unit in which bytes reads well: [its size, its name]. */
function unitOf(bytes) {
	let n = 0;

	while (n < units.length - 1 && bytes >= 1024 ** (n + 1))
		n++;
	return [1024 ** n, units[n]];
}

/* Three digits, but whole numbers whole. */
function digits(value) {
	if (value >= 100 || Number.isInteger(value))
		return Math.round(value).toLocaleString("en");
	return String(Number(value.toPrecision(3)));
}

function bytesText(bytes) {
	const [size, name] = unitOf(bytes);

	return digits(bytes / size) + " " + name;
}

const pagesText = (pages) => bytesText(pages * page);
const countText = (count) => count.toLocaleString("en");

function timeText(ns) {
	if (ns >= 120e9)
		return Math.floor(ns / 60e9) + " min " +
			Math.round(ns % 60e9 / 1e9) + " s";
	if (ns >= 1e9)
		return digits(ns / 1e9) + " s";
	return ns >= 1e6 ? digits(ns / 1e6) + " ms" : digits(ns / 1e3) + " us";
}

const color = (name) =>
	getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/* rows: arrays of cells; numeric: which columns are numbers. */
function fillTable(id, columns, rows, own) {
	const table = element(id);
	const head = table.createTHead().insertRow();

	for (const [title, kind] of columns) {
		const cell = document.createElement("th");

		cell.scope = "col";
		cell.textContent = title;
		cell.className = kind;
		head.append(cell);
	}
	const body = table.createTBody();

	rows.forEach((row, index) => {
		const line = body.insertRow();

		if (own && own(index))
			line.className = "own";
		row.forEach((text, column) => {
			const cell = line.insertCell();

			cell.textContent = text;
			cell.className = columns[column][1];
		});
	});
}
