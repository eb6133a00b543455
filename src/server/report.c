/* report.c - the page of a server */
/* SPDX-License-Identifier: MIT */
#include "server/report_html.h"
#include "server/server_private.h"

#include <errno.h>

int server_report(struct server *server, FILE *stream)
{
	struct quire_statistics statistics = { .size = sizeof(statistics) };
	struct recorder *recorder = server_recorder(server);
	struct report_facts facts = { .program = server->options.program };
	int error;

	if (!recorder)
		return error_say(-EINVAL, "nothing was recorded");
	error = quire_get_statistics(server_engine(server), &statistics);
	if (error)
		return error;
	if (!facts.program)
		facts.program = "quire serve";
	facts.budget = statistics.budget;
	facts.resident_peak = statistics.resident_peak;
	facts.traps = statistics.traps;
	facts.duration_ns = recorder_elapsed_ns(recorder);
	return report_html(recorder, &facts, stream);
}
