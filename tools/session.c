/* SPDX-License-Identifier: MIT
 *
 * session.c - attaching to a cache, and the sentences that say what went wrong
 *
 * A sentence names what was done, on what, and what to look at:
 *	larderctl: get: cache 'web': no daemon answers (is larderd running? tried /run/larder/web.sock)
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out.h"

#define KEY_SHOWN 80 /* bytes of a key in a sentence */

static const char *cache_name(const struct ctl *ctl)
{
	return ctl->cache ? ctl->cache : "main";
}

static void complain_begin(const struct ctl *ctl)
{
	fflush(stdout);
	fputs("larderctl: ", stderr);
	if (ctl->command)
		fprintf(stderr, "%s: ", ctl->command->name);
}

static void complain_about(const struct ctl *ctl, const struct ctl_key *key)
{
	complain_begin(ctl);
	fprintf(stderr, "cache '%s': ", cache_name(ctl));
	if (!key)
		return;
	fputs("key '", stderr);
	out_escape(stderr, key->bytes, key->len < KEY_SHOWN ? key->len : KEY_SHOWN, true);
	fputs(key->len > KEY_SHOWN ? "...': " : "': ", stderr);
}

/* The library's sentence, to stand within one of ours. */
static void complain_result(int result)
{
	const char *s = larder_strerror(result);
	size_t len = strlen(s);
	bool word = len > 1 && islower((unsigned char)s[1]); /* and not an abbreviation */

	if (!len)
		return;
	putc(word ? tolower((unsigned char)*s) : *s, stderr);
	fwrite(s + 1, 1, len - 1 - (s[len - 1] == '.'), stderr);
}

int ctl_usage(struct ctl *ctl, const char *fmt, ...)
{
	va_list args;

	complain_begin(ctl);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, " (see larderctl help%s%s)\n", ctl->command ? " " : "",
		ctl->command ? ctl->command->name : "");
	return CTL_USAGE;
}

int ctl_error(struct ctl *ctl, const char *sentence)
{
	complain_about(ctl, NULL);
	fprintf(stderr, "%s\n", sentence);
	return CTL_SYSTEM;
}

int ctl_outcome(struct ctl *ctl, const struct ctl_key *key, const char *word, const char *sentence)
{
	struct out_field field;

	if (ctl->mode != CTL_JSON) {
		complain_about(ctl, key);
		fprintf(stderr, "%s\n", sentence);
		return CTL_OUTCOME;
	}
	out_begin(ctl, NULL);
	if (key) {
		field = OUT_MEM("key", key->bytes, key->len);
		out_row(ctl, &field, 1);
	}
	out_end(ctl, word);
	return CTL_OUTCOME;
}

int ctl_result(struct ctl *ctl, const struct ctl_key *key, int result)
{
	switch (result) {
	case LARDER_OK:
		return CTL_OK;
	case LARDER_MISS:
		return ctl_outcome(ctl, key, "miss", "not found");
	case LARDER_EXISTS:
		return ctl_outcome(ctl, key, "exists", "has another version");
	case LARDER_DETACHED:
		return ctl_error(ctl, "the daemon ended, and the cache with it");
	default:
		break;
	}
	complain_about(ctl, key);
	complain_result(result);
	putc('\n', stderr);
	return CTL_SYSTEM;
}

/* The rule of larder_open(), for sentences only. Return: false if it does not fit. */
static bool socket_path(const struct ctl *ctl, char *path, size_t size)
{
	const char *name = cache_name(ctl), *dir = getenv("XDG_RUNTIME_DIR");
	const char *given = strchr(name, '/') ? name : getenv("LARDER_SOCKET");
	int n;

	if (given)
		n = snprintf(path, size, "%s", given);
	else if (geteuid() != 0 && dir)
		n = snprintf(path, size, "%s/larder/%s.sock", dir, name);
	else
		n = snprintf(path, size, "/run/larder/%s.sock", name);
	return n >= 0 && (size_t)n < size;
}

static int open_failed(struct ctl *ctl, int result)
{
	char path[4096];

	if (result == -EINVAL)
		return ctl_usage(ctl,
				 "--cache: a name is 1 to 64 of A-Z a-z 0-9 . _ -, and a path "
				 "holds a '/'; not '%s'",
				 cache_name(ctl));
	if (!socket_path(ctl, path, sizeof(path)))
		strcpy(path, "a path that is too long");
	complain_about(ctl, NULL);
	if (result == -ENOENT || result == -ECONNREFUSED) {
		fprintf(stderr, "no daemon answers (is larderd running? tried %s)\n", path);
	} else {
		complain_result(result);
		fprintf(stderr, " (tried %s)\n", path);
	}
	return CTL_SYSTEM;
}

static int select_namespace(struct ctl *ctl)
{
	uint16_t id;
	int r;

	if (!ctl->ns)
		return CTL_OK;
	r = larder_namespace(ctl->larder, ctl->ns, strlen(ctl->ns), &id);
	if (r == -EROFS) /* a read-only handle cannot create it */
		return ctl_outcome(ctl, NULL, "no-namespace", "no such namespace");
	if (r == 0)
		r = larder_select(ctl->larder, id);
	return ctl_result(ctl, NULL, r);
}

int ctl_attach(struct ctl *ctl, unsigned flags)
{
	struct larder_open_options options = {
		.size = sizeof(options),
		.flags = flags,
		.timeout_ms = ctl->timeout_ms,
	};
	int r;

	r = larder_open(&ctl->larder, ctl->cache, &options);
	if (r != 0)
		return open_failed(ctl, r);
	return select_namespace(ctl);
}

int ctl_clone(struct ctl *ctl, struct larder **hp)
{
	uint16_t id = 0;
	int r;

	r = larder_clone(ctl->larder, hp);
	if (r == 0 && ctl->ns)
		r = larder_namespace(*hp, ctl->ns, strlen(ctl->ns), &id);
	if (r == 0)
		r = larder_select(*hp, id);
	if (r == 0)
		return CTL_OK;
	larder_close(*hp);
	*hp = NULL;
	return ctl_result(ctl, NULL, r);
}

void ctl_detach(struct ctl *ctl)
{
	larder_close(ctl->larder);
	ctl->larder = NULL;
}
