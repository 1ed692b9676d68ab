/* SPDX-License-Identifier: MIT
 *
 * configfile.c - key = value files
 *
 * libconfuse 3.3 parses; every value is text for it. It counts the lines of comments wrong, so
 * comments are blanked before it sees them, and it has no room for a context in its callbacks, so
 * what they need is in `parsing` while a file is being read.
 */
#include "configfile.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1u << 20)
#define KEYS_MAX 64
#define ORIGIN_MAX 300

static struct {
	const char *file;
	const struct configfile_key *keys;
	unsigned n_keys;
	struct configfile_target to;
	char *error;
} parsing;

void configfile_names(const struct configfile_key *keys, unsigned n_keys,
		      char buf[CONFIGFILE_NAMES_MAX])
{
	size_t len = 0;

	for (unsigned i = 0; i < n_keys && len < CONFIGFILE_NAMES_MAX; i++)
		len += (size_t)snprintf(buf + len, CONFIGFILE_NAMES_MAX - len, "%s%s",
					i ? ", " : "", keys[i].name);
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char what[256], names[CONFIGFILE_NAMES_MAX];
	const char *quote;

	vsnprintf(what, sizeof(what), fmt, ap);
	quote = strchr(what, '\'');
	if (strncmp(what, "no such option", 14) != 0 || !quote) {
		snprintf(parsing.error, CONFIG_ERROR_MAX,
			 "%s:%d: %s, expected lines such as memory = \"64M\"", parsing.file,
			 cfg->line, what);
		return;
	}
	configfile_names(parsing.keys, parsing.n_keys, names);
	snprintf(parsing.error, CONFIG_ERROR_MAX, "%s:%d: unknown key %s, expected one of %s",
		 parsing.file, cfg->line, quote, names);
}

static unsigned key_of(const cfg_opt_t *opt)
{
	unsigned i = 0;

	while (i + 1 < parsing.n_keys && strcmp(parsing.keys[i].name, opt->name) != 0)
		i++;
	return i;
}

/* Called for each assignment, while cfg->line still is the line of it. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	char text[CONFIGFILE_TEXT_MAX] = "", origin[ORIGIN_MAX];
	size_t len = 0;

	for (unsigned i = 0; i < cfg_opt_size(opt) && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "," : "",
					cfg_opt_getnstr(opt, i));
	if (len >= sizeof(text)) {
		cfg_error(cfg, "the value of '%s' is too long", cfg_opt_name(opt));
		return -1;
	}
	snprintf(origin, sizeof(origin), "%s:%d", parsing.file, cfg->line);
	parsing.to.put(parsing.to.ctx, key_of(opt), text, origin);
	return 0;
}

/* The length of the comment that begins at @at, its newline not included; 0: none begins there. */
static size_t comment_length(const char *at)
{
	const char *end;

	if (at[0] == '#' || (at[0] == '/' && at[1] == '/'))
		return strcspn(at, "\n");
	if (at[0] != '/' || at[1] != '*')
		return 0;
	end = strstr(at + 2, "*/");
	return end ? (size_t)(end + 2 - at) : 0;
}

/* libconfuse 3.3 counts the lines of comments wrong, so it does not get to see any. */
static void blank_comments(char *text)
{
	char quote = '\0';

	while (*text) {
		size_t n = quote ? 0 : comment_length(text);

		if (n == 0) {
			if (quote && *text == '\\' && text[1])
				text++;
			else if (quote ? *text == quote : *text == '"' || *text == '\'')
				quote = quote ? '\0' : *text;
			text++;
		}
		for (; n > 0; n--, text++)
			if (*text != '\n')
				*text = ' ';
	}
}

static char *load_file(const char *file, char *error)
{
	char *text = malloc(FILE_MAX + 1);
	int err = 0;
	size_t n = 0;
	FILE *f;

	if (!text)
		return NULL;
	f = fopen(file, "re");
	if (f)
		n = fread(text, 1, FILE_MAX + 1, f);
	if (!f || ferror(f))
		err = errno;
	if (f)
		fclose(f);
	if (err == 0 && n <= FILE_MAX && !memchr(text, 0, n)) {
		text[n] = '\0';
		blank_comments(text);
		return text;
	}
	free(text);
	snprintf(error, CONFIG_ERROR_MAX, "%s: %s, expected a readable text file", file,
		 err ? strerror(err) : "too large, or not a text");
	return NULL;
}

static int parse_text(const char *text)
{
	cfg_opt_t opts[KEYS_MAX + 1];
	cfg_t *cfg;
	int r;

	for (unsigned i = 0; i < parsing.n_keys; i++) {
		cfg_opt_t list = CFG_STR_LIST(parsing.keys[i].name, NULL, CFGF_NONE);
		cfg_opt_t one = CFG_STR(parsing.keys[i].name, NULL, CFGF_NONE);

		opts[i] = parsing.keys[i].list ? list : one;
	}
	opts[parsing.n_keys] = (cfg_opt_t)CFG_END();
	cfg = cfg_init(opts, CFGF_NONE);
	if (!cfg)
		return -ENOMEM;
	for (unsigned i = 0; i < parsing.n_keys; i++)
		cfg_set_validate_func(cfg, parsing.keys[i].name, on_value);
	cfg_set_error_function(cfg, on_error);
	r = cfg_parse_buf(cfg, text);
	cfg_free(cfg);
	return r == CFG_SUCCESS ? 0 : -EINVAL;
}

int configfile_read(const char *file, const struct configfile_key *keys, unsigned n_keys,
		    struct configfile_target to, char *error)
{
	char *text = load_file(file, error);
	int r;

	if (!text || n_keys > KEYS_MAX) {
		free(text);
		return -EINVAL;
	}
	parsing.file = file;
	parsing.keys = keys;
	parsing.n_keys = n_keys;
	parsing.to = to;
	parsing.error = error;
	r = parse_text(text);
	free(text);
	return r;
}
