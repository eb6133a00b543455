/* options.c - a command's options and operands, checked */
/* SPDX-License-Identifier: MIT */
#include "options.h"
#include "quire/quire.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define MOST_RULES 16
#define VALUE_HELP 'h'
#define VALUE_FIRST 256 /* above every character, so that none is mistaken */

static unsigned int unit_shift(char unit)
{
	switch (toupper((unsigned char)unit)) {
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	case 'T':
		return 40;
	default:
		return 0;
	}
}

/* strtoull() takes signs and blanks, and a minus turns around: not here. */
static bool number_read(const char *text, char **end, uint64_t *number)
{
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*number = strtoull(text, end, 10);
	return errno == 0;
}

bool size_read(const char *text, uint64_t *bytes)
{
	unsigned int shift;
	uint64_t number;
	char *end;

	if (!number_read(text, &end, &number))
		return false;
	shift = unit_shift(*end);
	if (shift)
		end++;
	if (*end || number > UINT64_MAX >> shift)
		return false;
	*bytes = number << shift;
	return true;
}

bool count_read(const char *text, uint32_t most, uint32_t *count)
{
	uint64_t number;
	char *end;

	if (!number_read(text, &end, &number) || *end)
		return false;
	if (number < 1 || number > most)
		return false;
	*count = (uint32_t)number;
	return true;
}

static bool text_add(struct texts *texts, const char *text)
{
	if (texts->count == MOST_TEXTS)
		return false;
	texts->text[texts->count++] = text;
	return true;
}

static bool size_apply(const struct command *command,
		       const struct option_rule *rule, const char *text)
{
	if (size_read(text, rule->value))
		return true;
	wrong(command, "--%s: '%s' is not a size such as 4096, 64M or 2G",
	      rule->name, text);
	return false;
}

/* 0 would be the library's default. */
static bool budget_apply(const struct command *command,
			 const struct option_rule *rule, const char *text)
{
	const uint64_t *bytes = rule->value;

	if (!size_apply(command, rule, text))
		return false;
	if (*bytes >= QUIRE_PAGE_SIZE)
		return true;
	wrong(command, "--%s: a budget of %ju byte%s is less than one page",
	      rule->name, (uintmax_t)*bytes, *bytes == 1 ? "" : "s");
	return false;
}

static bool rule_apply(const struct command *command,
		       const struct option_rule *rule, const char *text)
{
	switch (rule->kind) {
	case OPTION_FLAG:
		*(bool *)rule->value = true;
		return true;
	case OPTION_SIZE:
		return size_apply(command, rule, text);
	case OPTION_BUDGET:
		return budget_apply(command, rule, text);
	case OPTION_COUNT:
		if (count_read(text, rule->most, rule->value))
			return true;
		wrong(command, "--%s: '%s' is not a number from 1 to %u",
		      rule->name, text, rule->most);
		return false;
	case OPTION_TEXT:
		*(const char **)rule->value = text;
		return true;
	case OPTION_TEXTS:
		if (text_add(rule->value, text))
			return true;
		wrong(command, "--%s: more than %d of them", rule->name,
		      MOST_TEXTS);
		return false;
	}
	return false;
}

static void table_fill(const struct arguments *arguments, struct option *table)
{
	size_t i;

	for (i = 0; i < arguments->rule_count; i++) {
		const struct option_rule *rule = &arguments->rules[i];

		table[i].name = rule->name;
		table[i].has_arg = rule->kind == OPTION_FLAG
					   ? no_argument
					   : required_argument;
		table[i].val = VALUE_FIRST + (int)i;
	}
	table[i].name = "help";
	table[i].val = VALUE_HELP;
}

/* What getopt_long() did not like is the word before the one it stands at. */
static int complain(const struct command *command, int sign, char **argv)
{
	if (sign == ':')
		return wrong(command, "option '%s' needs a value",
			     argv[optind - 1]);
	if (optopt > 0 && optopt < VALUE_FIRST)
		return wrong(command, "%s: there is no option '-%c'",
			     command->name, optopt);
	if (optopt)
		return wrong(command, "option '%s' takes no value",
			     argv[optind - 1]);
	return wrong(command, "%s: there is no option '%s'", command->name,
		     argv[optind - 1]);
}

/* true: all options were read, and operands remain to be looked at. */
static bool options_read(const struct command *command,
			 struct arguments *arguments, int argc, char **argv)
{
	struct option table[MOST_RULES + 2] = { 0 };
	const char *signs = arguments->program ? "+:h" : ":h";
	int sign;

	table_fill(arguments, table);
	opterr = 0;
	while ((sign = getopt_long(argc, argv, signs, table, NULL)) != -1) {
		if (sign == VALUE_HELP) {
			help_print(command->help);
			arguments->status = EXIT_SUCCESS;
			return false;
		}
		arguments->status = EXIT_USAGE;
		if (sign < VALUE_FIRST) {
			complain(command, sign, argv);
			return false;
		}
		if (!rule_apply(command, &arguments->rules[sign - VALUE_FIRST],
				optarg))
			return false;
	}
	return true;
}

bool options_parse(const struct command *command, struct arguments *arguments,
		   int argc, char **argv)
{
	if (!options_read(command, arguments, argc, argv))
		return false;
	arguments->operands = argv + optind;
	arguments->count = argc - optind;
	if (arguments->count >= arguments->least &&
	    arguments->count <= arguments->most)
		return true;
	arguments->status = wrong(command, "usage: quire %s%s %s",
				  command->name,
				  arguments->rule_count ? " [OPTION...]" : "",
				  arguments->names);
	return false;
}
