/* SPDX-License-Identifier: MIT
 *
 * options.c - the command line: options of all commands, numbers, keys
 *
 * getopt_long(3) is kept silent, so that every complaint has the form of the tool and names the
 * command. Options may stand before the command or anywhere after it.
 */
#include <string.h>

#include "ctl.h"
#include "parse.h"

static const struct option global_options[] = {
	{"cache", required_argument, NULL, CTL_OPT_CACHE},
	{"namespace", required_argument, NULL, CTL_OPT_NAMESPACE},
	{"timeout", required_argument, NULL, CTL_OPT_TIMEOUT},
	{"json", no_argument, NULL, CTL_OPT_JSON},
	{"porcelain", no_argument, NULL, CTL_OPT_PORCELAIN},
	{"hex", no_argument, NULL, CTL_OPT_HEX},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

#define N_GLOBAL (sizeof(global_options) / sizeof(global_options[0]))

static int timeout_option(struct ctl *ctl, const char *text)
{
	int64_t ms;

	if (ctl_duration(ctl, "--timeout", text, &ms))
		return CTL_USAGE;
	if (ms < 1 || ms > UINT32_MAX)
		return ctl_usage(ctl, "--timeout: from 1ms to 49d, not '%s'", text);
	ctl->timeout_ms = (uint32_t)ms;
	return CTL_OK;
}

static int namespace_option(struct ctl *ctl, const char *text)
{
	if (strlen(text) > LARDER_NAMESPACE_MAX)
		return ctl_usage(ctl, "--namespace: a name has at most %d bytes",
				 LARDER_NAMESPACE_MAX);
	ctl->ns = text;
	return CTL_OK;
}

static int mode_option(struct ctl *ctl, enum ctl_mode mode)
{
	if (ctl->mode != CTL_HUMAN && ctl->mode != mode)
		return ctl_usage(ctl, "--json and --porcelain exclude each other");
	ctl->mode = mode;
	return CTL_OK;
}

/* Return: 0 taken care of; CTL_USAGE after a complaint; -1 not an option of all commands. */
static int global_option(struct ctl *ctl, int option, char **argv)
{
	switch (option) {
	case CTL_OPT_CACHE:
		ctl->cache = optarg;
		return CTL_OK;
	case CTL_OPT_NAMESPACE:
		return namespace_option(ctl, optarg);
	case CTL_OPT_TIMEOUT:
		return timeout_option(ctl, optarg);
	case CTL_OPT_JSON:
		return mode_option(ctl, CTL_JSON);
	case CTL_OPT_PORCELAIN:
		return mode_option(ctl, CTL_PORCELAIN);
	case CTL_OPT_HEX:
		ctl->hex = true;
		return CTL_OK;
	case 'h':
		ctl->help = true;
		return CTL_USAGE;
	case ':':
		return ctl_usage(ctl, "option '%s' wants a value", argv[optind - 1]);
	case '?':
		if (optopt > 0 && optopt < CTL_OPT_CACHE)
			return ctl_usage(ctl, "unknown option '-%c'", optopt);
		return ctl_usage(ctl, "unknown option '%s'", argv[optind - 1]);
	default:
		return -1;
	}
}

int ctl_getopt(struct ctl *ctl, int argc, char **argv, const struct option *options, bool stop)
{
	struct option all[CTL_OPTIONS_MAX + N_GLOBAL];
	int option, taken;
	size_t n = 0;

	for (; options && options[n].name; n++)
		all[n] = options[n];
	memcpy(all + n, global_options, sizeof(global_options));
	opterr = 0;
	do {
		option = getopt_long(argc, argv, stop ? "+:h" : ":h", all, NULL);
		if (option == -1)
			return CTL_GETOPT_END;
		taken = global_option(ctl, option, argv);
	} while (taken == CTL_OK);
	return taken == CTL_USAGE ? CTL_GETOPT_BAD : option;
}

int ctl_arguments(struct ctl *ctl, int argc, int min, int max)
{
	int n = argc - optind;

	if (n < min)
		return ctl_usage(ctl, "an argument is missing");
	if (n > max)
		return ctl_usage(ctl, max ? "too many arguments" : "takes no arguments");
	return CTL_OK;
}

int ctl_getopt_none(struct ctl *ctl, int argc, char **argv, int min, int max)
{
	if (ctl_getopt(ctl, argc, argv, NULL, false) != CTL_GETOPT_END)
		return CTL_USAGE;
	return ctl_arguments(ctl, argc, min, max);
}

int ctl_u64(struct ctl *ctl, const char *option, const char *text, uint64_t *valuep)
{
	if (parse_u64(text, valuep))
		return CTL_OK;
	return ctl_usage(ctl, "%s: a number from 0 to 2^64-1, not '%s'", option, text);
}

int ctl_i64(struct ctl *ctl, const char *option, const char *text, int64_t *valuep)
{
	if (parse_i64(text, valuep))
		return CTL_OK;
	return ctl_usage(ctl, "%s: a number from -2^63 to 2^63-1, not '%s'", option, text);
}

int ctl_duration(struct ctl *ctl, const char *option, const char *text, int64_t *msp)
{
	if (parse_duration(text, msp))
		return CTL_OK;
	return ctl_usage(ctl, "%s: a time such as 500ms, 30s, 5m, 2h, 7d or never, not '%s'",
			 option, text);
}

int ctl_size(struct ctl *ctl, const char *option, const char *text, uint64_t *bytesp)
{
	if (parse_size(text, bytesp))
		return CTL_OK;
	return ctl_usage(ctl, "%s: a size such as 100, 64K or 10M, not '%s'", option, text);
}

int ctl_key(struct ctl *ctl, char *arg, struct ctl_key *key)
{
	key->bytes = arg;
	key->len = strlen(arg);
	if (ctl->hex && !parse_hex(arg, &key->len))
		return ctl_usage(ctl, "--hex: an even number of hexadecimal digits, not '%s'", arg);
	if (!key->len || key->len > LARDER_KEY_MAX)
		return ctl_usage(ctl, "a key has 1 to %d bytes", LARDER_KEY_MAX);
	return CTL_OK;
}
