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

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "configfile.h"
#include "size.h"
#include "socket.h"

#define TEXT_MAX CONFIGFILE_TEXT_MAX
#define ORIGIN_MAX 300

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

static int convert_size(const char *key, const char *text, uint64_t *bytesp, char *why)
{
	int r = size_parse(text, bytesp);

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
	uint64_t n = 0;
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
	/* cppcheck-suppress getpwnamCalled ; there is one thread */
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

static void source_put(struct config_sources *src, int key, const char *text, const char *origin)
{
	snprintf(src->key[key].text, TEXT_MAX, "%s", text);
	snprintf(src->key[key].origin, ORIGIN_MAX, "%s", origin);
}

static void put_from_file(void *ctx, unsigned key, const char *text, const char *origin)
{
	source_put(ctx, (int)key, text, origin);
}

static void file_keys(struct configfile_key list[N_KEYS])
{
	for (int i = 0; i < N_KEYS; i++)
		list[i] = (struct configfile_key){.name = keys[i].name, .list = keys[i].list};
}

static int read_file(struct config_sources *src, const char *file, char *error)
{
	struct configfile_key list[N_KEYS];
	struct configfile_target to = {put_from_file, src};

	file_keys(list);
	return configfile_read(file, list, N_KEYS, to, error);
}

static int refuse_key(const char *origin, const char *name, char *error)
{
	struct configfile_key list[N_KEYS];
	char names[CONFIGFILE_NAMES_MAX];

	file_keys(list);
	configfile_names(list, N_KEYS, names);
	return refuse(error, "%s: unknown key '%s', expected one of %s", origin, name, names);
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
		return refuse_key(origin, name, error);
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

/* NOLINTNEXTLINE(readability-non-const-parameter): the signature is that of each_word() */
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
