/* log.h - lines for the user's log sink */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BASE_LOG_H
#define QUIRE_BASE_LOG_H

/* The levels are those of enum quire_log_level. */
enum log_level {
	LOG_ERROR = 1,
	LOG_WARNING,
	LOG_INFO,
	LOG_DEBUG,
};

/* Filled by the engine before its threads start, constant afterwards. */
struct log {
	void (*sink)(void *context, int level, const char *line); /* or NULL:
					standard error, by one write(2) */
	void *context;
	enum log_level level; /* and what is more severe */
};

/* Safe on every thread of the engine: allocates nothing, takes no lock. */
void log_line(const struct log *log, enum log_level level, const char *format,
	      ...) __attribute__((format(printf, 3, 4)));

#endif
