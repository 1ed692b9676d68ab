/* SPDX-License-Identifier: MIT
 *
 * config.c - what the operator wants
 *
 * One table has every key: its defaults by preset and the function that converts its text. All
 * sources (preset, file, --set, --name, --socket) only say which text a key has and where that came
 * from; conversion happens once, after the last source, so that every source gets the same messages.
 *
 * Every value is text for libconfuse: it would take a bare 64 for a size of 64 bytes, where this
 * file can say what was probably meant.
 */
#include "config.h"

#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "socket.h"

#define TEXT_MAX 1024
#define ORIGIN_MAX 300
#define FILE_MAX (1u << 20)

struct key;

struct source_of_key {
	char text[TEXT_MAX];
	char origin[ORIGIN_MAX];
};

enum key_id {
	KEY_PRESET,
	KEY_NAME,
	KEY_SOCKET,
	KEY_MEMORY,
	KEY_SEGMENT,
	KEY_TEST_CLOCK,
	KEY_POLICY,
	KEY_ALLOW_UIDS,
	KEY_READONLY_UIDS,
	KEY_DENY_UIDS,
	KEY_LOG_LEVEL,
	KEY_KEEPER,
	KEY_HIDE,
	N_KEYS
};

struct config_sources {
	struct source_of_key key[N_KEYS];
};

/* Writes "what, expected what" to @why on -EINVAL. */
typedef int convert_fn(struct config *cfg, const char *text, char *why);

struct key {
	const char *name;
	bool list;
	const char *preset[3]; /* by enum config_preset; NULL: as production */
	convert_fn *convert;
};

static int refuse(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONFIG_ERROR_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ------------------------------------------------------------------ sizes */

static int size_unit(const char *unit, unsigned *shiftp)
{
	static const char letters[] = "KMGT";
	const char *at;

	if (strcmp(unit, "B") == 0) {
		*shiftp = 0;
		return 0;
	}
	at = *unit ? strchr(letters, toupper((unsigned char)*unit)) : NULL;
	if (!at || (unit[1] && strcmp(unit + 1, "B") != 0 && strcmp(unit + 1, "iB") != 0))
		return -EINVAL;
	*shiftp = 10u * (unsigned)(at - letters + 1);
	return 0;
}

int config_size(const char *text, uint64_t *bytesp)
{
	unsigned long long n;
	unsigned shift;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	while (*end == ' ')
		end++;
	if (!*end)
		return -ENOMSG;
	if (size_unit(end, &shift) < 0)
		return -EINVAL;
	if (n > UINT64_MAX >> shift)
		return -ERANGE;
	*bytesp = (uint64_t)n << shift;
	return 0;
}

const char *config_size_text(uint64_t bytes, char buf[32])
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	unsigned i = 0;
	uint64_t whole = bytes;

	while (i < 4 && whole >= 10240) {
		whole >>= 10;
		i++;
	}
	while (i < 4 && whole >= 1024 && bytes % (1ULL << (10 * (i + 1))) == 0) {
		whole >>= 10;
		i++;
	}
	snprintf(buf, 32, "%" PRIu64 " %s", whole, units[i]);
	return buf;
}

static int convert_size(const char *key, const char *text, uint64_t *bytesp, char *why)
{
	int r = config_size(text, bytesp);

	if (r == -ENOMSG)
		return refuse(why, "%s = %s has no unit, expected a size such as \"%sM\"", key,
			      text, text);
	if (r < 0)
		return refuse(why,
			      "%s = \"%s\" is not a size, expected one such as \"64M\" or \"2G\"",
			      key, text);
	return 0;
}

static int convert_memory(struct config *cfg, const char *text, char *why)
{
	int r = convert_size("memory", text, &cfg->region.max_memory, why);

	if (r < 0)
		return r;
	if (cfg->region.max_memory < GEOMETRY_MEMORY_MIN ||
	    cfg->region.max_memory > GEOMETRY_MEMORY_MAX)
		return refuse(why, "memory = \"%s\" is out of range, expected \"1M\" to \"8T\"",
			      text);
	return 0;
}

static int convert_segment(struct config *cfg, const char *text, char *why)
{
	uint64_t n;
	int r;

	if (strcmp(text, "auto") == 0)
		return 0;
	if (cfg->preset != PRESET_TESTING)
		return refuse(why,
			      "segment can be chosen for tests only, expected preset = testing");
	r = convert_size("segment", text, &n, why);
	if (r < 0)
		return r;
	if (n < 4096 || n > 8u << 20 || (n & (n - 1)) != 0)
		return refuse(why,
			      "segment = \"%s\" is not possible, expected a power of two from "
			      "\"4K\" to \"8M\", or \"auto\"",
			      text);
	cfg->region.segment_bytes = n;
	return 0;
}

/* ------------------------------------------------------------------ words and names */

static int convert_bool(const char *key, const char *text, bool *p, char *why)
{
	static const char *const yes[] = {"true", "yes", "on"};
	static const char *const no[] = {"false", "no", "off"};

	for (unsigned i = 0; i < 3; i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*p = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return refuse(why, "%s = \"%s\" is neither yes nor no, expected true or false", key, text);
}

static int convert_test_clock(struct config *cfg, const char *text, char *why)
{
	int r = convert_bool("test_clock", text, &cfg->region.test_clock, why);

	if (r == 0 && cfg->region.test_clock && cfg->preset != PRESET_TESTING)
		return refuse(why, "test_clock is for tests only, expected preset = testing");
	return r;
}

static int convert_keeper(struct config *cfg, const char *text, char *why)
{
	return convert_bool("keeper", text, &cfg->keeper, why);
}

static int convert_preset(struct config *cfg, const char *text, char *why)
{
	static const char *const names[] = {"production", "development", "testing"};

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			cfg->preset = (enum config_preset)i;
			return 0;
		}
	}
	return refuse(why,
		      "preset = \"%s\" is unknown, expected production, development or testing",
		      text);
}

static int convert_log_level(struct config *cfg, const char *text, char *why)
{
	static const char *const names[] = {"error", "warning", "notice", "info", "debug"};

	for (unsigned i = 0; i < 5; i++) {
		if (strcmp(text, names[i]) == 0) {
			cfg->log_level = (enum log_level)(LEVEL_ERROR + i);
			return 0;
		}
	}
	return refuse(
		why,
		"log_level = \"%s\" is unknown, expected error, warning, notice, info or debug",
		text);
}

static int convert_policy(struct config *cfg, const char *text, char *why)
{
	(void)cfg;
	if (strcmp(text, "lru") != 0)
		return refuse(why, "policy = \"%s\" is unknown, expected lru", text);
	return 0;
}

/* The rule for names and paths is the library's. */
static int convert_name(struct config *cfg, const char *text, char *why)
{
	struct sockaddr_un addr;

	if (strchr(text, '/') || strlen(text) > CTL_NAME_MAX || socket_path(&addr, text) < 0)
		return refuse(why,
			      "name = \"%.80s\" makes no socket path, expected 1 to %u of "
			      "A-Z a-z 0-9 . _ -, and a path under %zu bytes",
			      text, CTL_NAME_MAX, sizeof(addr.sun_path));
	memcpy(cfg->name, text, strlen(text) + 1);
	if (!cfg->socket[0])
		memcpy(cfg->socket, addr.sun_path, sizeof(cfg->socket));
	return 0;
}

static int convert_socket(struct config *cfg, const char *text, char *why)
{
	size_t len = strlen(text);

	if (strcmp(text, "auto") == 0)
		return 0;
	if (text[0] != '/')
		return refuse(why, "socket = \"%s\" is relative, expected an absolute path", text);
	if (len >= sizeof(cfg->socket))
		return refuse(why, "socket = \"%s\" is too long, expected at most %zu bytes", text,
			      sizeof(cfg->socket) - 1);
	memcpy(cfg->socket, text, len + 1);
	return 0;
}

/* ------------------------------------------------------------------ lists */

/* Calls @fn for each comma-separated word of @text. */
static int each_word(const char *text, int (*fn)(void *ctx, const char *word, char *why), void *ctx,
		     char *why)
{
	char copy[TEXT_MAX], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		int r = fn(ctx, w, why);

		if (r < 0)
			return r;
	}
	return 0;
}

static int uid_of(const char *word, uid_t *uidp)
{
	const struct passwd *pw;
	unsigned long n;
	char *end;

	if (isdigit((unsigned char)*word)) {
		n = strtoul(word, &end, 10);
		*uidp = (uid_t)n;
		return *end == '\0' && n < UINT32_MAX ? 0 : -EINVAL;
	}
	pw = getpwnam(word);
	if (!pw)
		return -EINVAL;
	*uidp = pw->pw_uid;
	return 0;
}

static int add_uid(void *ctx, const char *word, char *why)
{
	struct uid_list *list = ctx;

	if (strcmp(word, "any") == 0) {
		list->any = true;
		return 0;
	}
	if (list->n == CONFIG_UIDS_MAX)
		return refuse(why, "too many uids, expected at most %u, or \"any\"",
			      CONFIG_UIDS_MAX);
	if (uid_of(word, &list->uid[list->n]) < 0)
		return refuse(why,
			      "\"%s\" is no user of this host, expected a uid, a user name or "
			      "\"any\"",
			      word);
	list->n++;
	return 0;
}

static int convert_allow(struct config *cfg, const char *text, char *why)
{
	return each_word(text, add_uid, &cfg->allow, why);
}

static int convert_readonly(struct config *cfg, const char *text, char *why)
{
	return each_word(text, add_uid, &cfg->readonly, why);
}

static int convert_deny(struct config *cfg, const char *text, char *why)
{
	return each_word(text, add_uid, &cfg->deny, why);
}

static int add_hide(void *ctx, const char *word, char *why)
{
	static const char *const names[] = {"membarrier", "pidfd_getpeer", "madv_collapse",
					    "mfd_noexec"};
	struct config *cfg = ctx;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(word, names[i]) == 0) {
			cfg->hide |= 1u << i;
			return 0;
		}
	}
	return refuse(
		why,
		"hide: \"%s\" is unknown, expected membarrier, pidfd_getpeer, madv_collapse or "
		"mfd_noexec",
		word);
}

static int convert_hide(struct config *cfg, const char *text, char *why)
{
	snprintf(cfg->hide_names, sizeof(cfg->hide_names), "%s", text);
	return each_word(text, add_hide, cfg, why);
}

static bool in_list(const struct uid_list *list, uid_t uid)
{
	for (unsigned i = 0; i < list->n; i++)
		if (list->uid[i] == uid)
			return true;
	return list->any;
}

bool config_allows(const struct config *cfg, uid_t uid, bool rdonly)
{
	if (uid == 0 || uid == geteuid())
		return true;
	if (in_list(&cfg->deny, uid))
		return false;
	return in_list(&cfg->allow, uid) || (rdonly && in_list(&cfg->readonly, uid));
}

/* ------------------------------------------------------------------ sources */

/* preset comes first: other conversions look at it. */
static const struct key keys[N_KEYS] = {
	[KEY_PRESET] = {"preset", false, {"production", NULL, NULL}, convert_preset},
	[KEY_NAME] = {"name", false, {"main", NULL, NULL}, convert_name},
	[KEY_SOCKET] = {"socket", false, {"auto", NULL, NULL}, convert_socket},
	[KEY_MEMORY] = {"memory", false, {"64M", "16M", "1M"}, convert_memory},
	[KEY_SEGMENT] = {"segment", false, {"auto", NULL, "4K"}, convert_segment},
	[KEY_TEST_CLOCK] = {"test_clock", false, {"false", NULL, "true"}, convert_test_clock},
	[KEY_POLICY] = {"policy", false, {"lru", NULL, NULL}, convert_policy},
	[KEY_ALLOW_UIDS] = {"allow_uids", true, {"", NULL, NULL}, convert_allow},
	[KEY_READONLY_UIDS] = {"readonly_uids", true, {"", NULL, NULL}, convert_readonly},
	[KEY_DENY_UIDS] = {"deny_uids", true, {"", NULL, NULL}, convert_deny},
	[KEY_LOG_LEVEL] = {"log_level", false, {"info", "debug", "debug"}, convert_log_level},
	[KEY_KEEPER] = {"keeper", false, {"true", NULL, NULL}, convert_keeper},
	[KEY_HIDE] = {"hide", true, {"", NULL, NULL}, convert_hide},
};

static int key_find(const char *name)
{
	for (int i = 0; i < N_KEYS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return i;
	return -1;
}

static const char *key_names(void)
{
	static char buf[256];
	size_t len = 0;

	for (int i = 0; i < N_KEYS; i++)
		len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%s%s", i ? ", " : "",
					keys[i].name);
	return buf;
}

static void source_put(struct config_sources *src, int key, const char *text, const char *origin)
{
	snprintf(src->key[key].text, TEXT_MAX, "%s", text);
	snprintf(src->key[key].origin, ORIGIN_MAX, "%s", origin);
}

/* libconfuse has no room for a context in its callbacks. Set only while a file is being parsed. */
static struct {
	struct config_sources *sources;
	const char *file;
	char *error;
} parsing;

static void on_error(cfg_t *cfg, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char what[256];
	const char *quote;

	vsnprintf(what, sizeof(what), fmt, ap);
	quote = strchr(what, '\'');
	if (strncmp(what, "no such option", 14) == 0 && quote) {
		snprintf(parsing.error, CONFIG_ERROR_MAX,
			 "%s:%d: unknown key %s, expected one of %s", parsing.file, cfg->line,
			 quote, key_names());
		return;
	}
	snprintf(parsing.error, CONFIG_ERROR_MAX,
		 "%s:%d: %s, expected lines such as memory = \"64M\"", parsing.file, cfg->line,
		 what);
}

/* Called for each assignment, while cfg->line still is the line of it. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	struct source_of_key *to = &parsing.sources->key[key_find(cfg_opt_name(opt))];
	size_t len = 0;

	to->text[0] = '\0';
	for (unsigned i = 0; i < cfg_opt_size(opt) && len < TEXT_MAX; i++)
		len += (size_t)snprintf(to->text + len, TEXT_MAX - len, "%s%s", i ? "," : "",
					cfg_opt_getnstr(opt, i));
	if (len >= TEXT_MAX) {
		cfg_error(cfg, "the value of '%s' is too long", cfg_opt_name(opt));
		return -1;
	}
	snprintf(to->origin, ORIGIN_MAX, "%s:%d", parsing.file, cfg->line);
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
	FILE *f = text ? fopen(file, "re") : NULL;
	size_t n = f ? fread(text, 1, FILE_MAX + 1, f) : 0;
	int err = !f || ferror(f) ? errno : 0;

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
	cfg_opt_t opts[N_KEYS + 1];
	cfg_t *cfg;
	int r;

	for (int i = 0; i < N_KEYS; i++) {
		cfg_opt_t list = CFG_STR_LIST(keys[i].name, NULL, CFGF_NONE);
		cfg_opt_t one = CFG_STR(keys[i].name, NULL, CFGF_NONE);

		opts[i] = keys[i].list ? list : one;
	}
	opts[N_KEYS] = (cfg_opt_t)CFG_END();
	cfg = cfg_init(opts, CFGF_NONE);
	if (!cfg)
		return -ENOMEM;
	for (int i = 0; i < N_KEYS; i++)
		cfg_set_validate_func(cfg, keys[i].name, on_value);
	cfg_set_error_function(cfg, on_error);
	r = cfg_parse_buf(cfg, text);
	cfg_free(cfg);
	return r == CFG_SUCCESS ? 0 : -EINVAL;
}

static int read_file(struct config_sources *src, const char *file, char *error)
{
	char *text = load_file(file, error);
	int r;

	if (!text)
		return -EINVAL;
	parsing.sources = src;
	parsing.file = file;
	parsing.error = error;
	r = parse_text(text);
	free(text);
	return r;
}

static int read_set(struct config_sources *src, const char *set, char *error)
{
	const char *eq = strchr(set, '=');
	char name[32], origin[ORIGIN_MAX];
	int key;

	snprintf(origin, sizeof(origin), "--set %s", set);
	if (!eq)
		return refuse(error, "%s: no value, expected key=value", origin);
	snprintf(name, sizeof(name), "%.*s", (int)(eq - set < 31 ? eq - set : 31), set);
	key = key_find(name);
	if (key < 0)
		return refuse(error, "%s: unknown key '%s', expected one of %s", origin, name,
			      key_names());
	if (strlen(eq + 1) >= TEXT_MAX)
		return refuse(error, "--set %s: the value is too long, expected under %d bytes",
			      name, TEXT_MAX);
	source_put(src, key, eq + 1, origin);
	return 0;
}

static int read_sources(struct config_sources *src, const struct config_args *args, char *error)
{
	const char *hide = getenv("LARDER_HIDE");
	int r = 0;

	if (hide)
		source_put(src, KEY_HIDE, hide, "$LARDER_HIDE");
	if (args->file)
		r = read_file(src, args->file, error);
	for (unsigned i = 0; r == 0 && i < args->n_sets; i++)
		r = read_set(src, args->sets[i], error);
	if (args->name)
		source_put(src, KEY_NAME, args->name, "--name");
	if (args->socket)
		source_put(src, KEY_SOCKET, args->socket, "--socket");
	return r;
}

/* ------------------------------------------------------------------ conversion */

static int convert_all(struct config *cfg, struct config_sources *src, char *error)
{
	for (int i = 0; i < N_KEYS; i++) {
		struct source_of_key *from = &src->key[i];
		const char *preset = keys[i].preset[cfg->preset];
		char why[CONFIG_ERROR_MAX];

		if (!from->origin[0])
			source_put(src, i, preset ? preset : keys[i].preset[0],
				   preset && cfg->preset != PRESET_PRODUCTION ? "preset"
									      : "default");
		if (keys[i].convert(cfg, from->text, why) < 0) {
			int room = (int)CONFIG_ERROR_MAX - 3 - (int)strlen(why);

			return refuse(error, "%.*s: %s", room > 0 ? room : 0, from->origin, why);
		}
	}
	return 0;
}

static int check_together(const struct config *cfg, const struct config_sources *src, char *error)
{
	struct shm_geometry geo;

	if (geometry_plan(&geo, &cfg->region) == 0)
		return 0;
	return refuse(error,
		      "%s: segment = \"%s\" does not fit memory = \"%s\", expected 16 segments or "
		      "more, and at most 1,048,576",
		      src->key[KEY_SEGMENT].origin, src->key[KEY_SEGMENT].text,
		      src->key[KEY_MEMORY].text);
}

int config_load(struct config *cfg, struct config_sources **sourcesp,
		const struct config_args *args, char *error)
{
	struct config_sources *src = calloc(1, sizeof(*src));
	int r;

	*sourcesp = NULL;
	snprintf(error, CONFIG_ERROR_MAX, "out of memory");
	if (!src)
		return -ENOMEM;
	memset(cfg, 0, sizeof(*cfg));
	r = read_sources(src, args, error);
	if (r == 0)
		r = convert_all(cfg, src, error);
	if (r == 0)
		r = check_together(cfg, src, error);
	if (r < 0) {
		config_sources_free(src);
		return r;
	}
	*sourcesp = src;
	return 0;
}

void config_sources_free(struct config_sources *sources)
{
	free(sources);
}

/* ------------------------------------------------------------------ print */

static void print_text(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

struct printing {
	FILE *out;
	bool later;
};

static int print_word(void *ctx, const char *word, char *why)
{
	struct printing *p = ctx;

	(void)why;
	fputs(p->later ? ", " : "", p->out);
	print_text(word, p->out);
	p->later = true;
	return 0;
}

void config_print(const struct config *cfg, const struct config_sources *sources, FILE *out)
{
	for (int i = 0; i < N_KEYS; i++) {
		const struct source_of_key *s = &sources->key[i];
		const char *text = i == KEY_SOCKET ? cfg->socket : s->text;
		struct printing p = {.out = out};

		fprintf(out, "%s = ", keys[i].name);
		if (keys[i].list) {
			fputc('{', out);
			(void)each_word(s->text, print_word, &p, NULL);
			fputc('}', out);
		} else {
			print_text(text, out);
		}
		fprintf(out, " # %s\n", s->origin);
	}
}
