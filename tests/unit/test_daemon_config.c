/* SPDX-License-Identifier: MIT */
/* test_daemon_config.c - sizes, the strength of sources, messages, printing, who may attach */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "size.h"

static char file[256];

static void write_file(const char *text)
{
	FILE *f;

	snprintf(file, sizeof(file), "%s/larderd-%d.conf",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
	f = fopen(file, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int load(struct config *cfg, const char *text, const char *set, char *error)
{
	struct config_args args = {.sets = &set, .n_sets = set ? 1 : 0, .file = text ? file : NULL};
	struct config_sources *src;
	int r;

	if (text)
		write_file(text);
	r = config_load(cfg, &src, &args, error);
	config_sources_free(src);
	if (text)
		unlink(file);
	return r;
}

static void refused(const char *text, const char *set, const char *want)
{
	char error[CONFIG_ERROR_MAX], full[CONFIG_ERROR_MAX + 300];
	struct config cfg;

	assert_int_not_equal(load(&cfg, text, set, error), 0);
	snprintf(full, sizeof(full), "%s%s", text ? file : "", want);
	assert_string_equal(error, full);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t bytes;
	} t[] = {
		{"64M", 0, 64ULL << 20}, {"64MiB", 0, 64ULL << 20},    {"64 MB", 0, 64ULL << 20},
		{"1g", 0, 1ULL << 30},	 {"8T", 0, 8ULL << 40},	       {"4K", 0, 4096},
		{"512B", 0, 512},	 {"64", -ENOMSG, 0},	       {"", -EINVAL, 0},
		{"M", -EINVAL, 0},	 {"-1M", -EINVAL, 0},	       {"64Mx", -EINVAL, 0},
		{"64X", -EINVAL, 0},	 {"99999999999T", -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t n = 0;

		assert_int_equal(size_parse(t[i].text, &n), t[i].r);
		assert_int_equal(n, t[i].bytes);
	}
}

static void test_size_text(void **state)
{
	char buf[SIZE_TEXT_MAX];

	(void)state;
	assert_string_equal(size_text(64ULL << 20, buf), "64 MiB");
	assert_string_equal(size_text(1000, buf), "1000 bytes");
	assert_string_equal(size_text(1ULL << 20, buf), "1 MiB");
	assert_string_equal(size_text(23ULL * 1000 * 1000 * 1000, buf), "21 GiB");
}

static void test_defaults(void **state)
{
	char error[CONFIG_ERROR_MAX];
	struct config cfg;

	(void)state;
	setenv("LARDER_SOCKET", "/x/y.sock", 1);
	assert_int_equal(load(&cfg, NULL, NULL, error), 0);
	assert_string_equal(cfg.name, "main");
	assert_string_equal(cfg.socket, "/x/y.sock");
	assert_int_equal(cfg.region.max_memory, 64 << 20);
	assert_int_equal(cfg.region.segment_bytes, 0);
	assert_false(cfg.region.test_clock);
	assert_true(cfg.keeper);
	assert_int_equal(cfg.log_level, LEVEL_INFO);
	assert_int_equal(cfg.hide, 0);
}

static void test_preset_is_weaker_than_a_key(void **state)
{
	char error[CONFIG_ERROR_MAX];
	struct config cfg;

	(void)state;
	assert_int_equal(load(&cfg, "memory = \"2M\"\npreset = testing\n", NULL, error), 0);
	assert_int_equal(cfg.region.max_memory, 2 << 20);
	assert_int_equal(cfg.region.segment_bytes, 4096);
	assert_true(cfg.region.test_clock);
}

static void test_set_is_stronger_than_the_file(void **state)
{
	char error[CONFIG_ERROR_MAX];
	struct config cfg;

	(void)state;
	assert_int_equal(load(&cfg, "memory = \"2M\"\n", "memory=3M", error), 0);
	assert_int_equal(cfg.region.max_memory, 3 << 20);
}

static void test_environment_hides(void **state)
{
	char error[CONFIG_ERROR_MAX];
	struct config cfg;

	(void)state;
	setenv("LARDER_HIDE", "membarrier,madv_collapse", 1);
	assert_int_equal(load(&cfg, NULL, NULL, error), 0);
	assert_int_equal(cfg.hide, HIDE_MEMBARRIER | HIDE_MADV_COLLAPSE);
	assert_int_equal(load(&cfg, "hide = {pidfd_getpeer, mfd_noexec}\n", NULL, error), 0);
	assert_int_equal(cfg.hide, HIDE_PIDFD_GETPEER | HIDE_MFD_NOEXEC);
	unsetenv("LARDER_HIDE");
}

static void test_messages(void **state)
{
	(void)state;
	refused("\nmemory = 64\n", NULL,
		":2: memory = 64 has no unit, expected a size such as \"64M\"");
	refused("memory = \"64Q\"\n", NULL,
		":1: memory = \"64Q\" is not a size, expected one such as \"64M\" or \"2G\"");
	refused("memory = \"1K\"\n", NULL,
		":1: memory = \"1K\" is out of range, expected \"1M\" to \"8T\"");
	refused("segment = \"4K\"\n", NULL,
		":1: segment can be chosen for tests only, expected preset = testing");
	refused("test_clock = true\n", NULL,
		":1: test_clock is for tests only, expected preset = testing");
	refused(NULL, "keeper=maybe",
		"--set keeper=maybe: keeper = \"maybe\" is neither yes nor no, expected true or false");
	refused(NULL, "policy=fifo",
		"--set policy=fifo: policy = \"fifo\" is unknown, expected lru");
	refused(NULL, "socket=x",
		"--set socket=x: socket = \"x\" is relative, expected an absolute path");
	refused(NULL, "memory", "--set memory: no value, expected key=value");
	refused("allow_uids = {no-such-user}\n", NULL,
		":1: \"no-such-user\" is no user of this host, expected a uid, a user name or \"any\"");
}

static void test_too_long(void **state)
{
	char set[3000] = "socket=/", error[CONFIG_ERROR_MAX];
	struct config cfg;

	(void)state;
	memset(set + 8, 'x', 200);
	set[208] = '\0';
	assert_int_not_equal(load(&cfg, NULL, set, error), 0);
	assert_non_null(strstr(error, "is too long, expected at most 107 bytes"));
	memset(set + 8, 'x', sizeof(set) - 9);
	assert_int_not_equal(load(&cfg, NULL, set, error), 0);
	assert_string_equal(error,
			    "--set socket: the value is too long, expected under 1024 bytes");
}

/* What is printed is a configuration, and the same one. */
static void test_print_reads_back(void **state)
{
	static const char *const sets[] = {"preset=testing", "allow_uids=7,8", "name=a.b",
					   "hide=membarrier"};
	struct config_args args = {.sets = sets, .n_sets = 4};
	struct config_args again = {.file = file};
	struct config_sources *src;
	char error[CONFIG_ERROR_MAX];
	struct config a, b;
	FILE *f;

	(void)state;
	assert_int_equal(config_load(&a, &src, &args, error), 0);
	write_file("");
	f = fopen(file, "we");
	assert_non_null(f);
	config_print(&a, src, f);
	fclose(f);
	config_sources_free(src);
	assert_int_equal(config_load(&b, &src, &again, error), 0);
	config_sources_free(src);
	unlink(file);
	assert_int_equal(a.region.max_memory, b.region.max_memory);
	assert_int_equal(a.region.segment_bytes, b.region.segment_bytes);
	assert_string_equal(a.socket, b.socket);
	assert_string_equal(b.name, "a.b");
	assert_int_equal(b.allow.n, 2);
	assert_int_equal(b.allow.uid[1], 8);
	assert_int_equal(b.hide, HIDE_MEMBARRIER);
}

static void test_who_may_attach(void **state)
{
	char error[CONFIG_ERROR_MAX];
	struct config cfg;
	uid_t other = geteuid() + 1000;
	char text[200];

	(void)state;
	assert_int_equal(load(&cfg, NULL, NULL, error), 0);
	assert_true(config_allows(&cfg, geteuid(), false));
	assert_true(config_allows(&cfg, 0, false));
	assert_false(config_allows(&cfg, other, true));
	snprintf(text, sizeof(text), "readonly_uids = {\"%u\"}\n", other);
	assert_int_equal(load(&cfg, text, NULL, error), 0);
	assert_true(config_allows(&cfg, other, true));
	assert_false(config_allows(&cfg, other, false));
	snprintf(text, sizeof(text), "allow_uids = {any}\ndeny_uids = {\"%u\"}\n", other);
	assert_int_equal(load(&cfg, text, NULL, error), 0);
	assert_false(config_allows(&cfg, other, true));
	assert_true(config_allows(&cfg, other + 1, false));
	snprintf(text, sizeof(text), "deny_uids = {\"%u\"}\n", geteuid());
	assert_int_equal(load(&cfg, text, NULL, error), 0);
	assert_true(config_allows(&cfg, geteuid(), false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_size_text),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_preset_is_weaker_than_a_key),
		cmocka_unit_test(test_set_is_stronger_than_the_file),
		cmocka_unit_test(test_environment_hides),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_print_reads_back),
		cmocka_unit_test(test_who_may_attach),
	};

	/* Each test says for itself what is hidden. */
	unsetenv("LARDER_HIDE");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
