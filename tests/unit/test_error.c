/* SPDX-License-Identifier: MIT */
/* test_error.c - one sentence for every result */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <larder/larder.h>

static void test_version(void **state)
{
	(void)state;
	/* covers: larder_version */
	assert_string_equal(larder_version(), LARDER_VERSION);
}

static void test_every_result_has_a_sentence(void **state)
{
	(void)state;
	/* covers: larder_strerror */
	for (int r = -4096; r <= 16; r++) {
		const char *text = larder_strerror(r);

		assert_non_null(text);
		assert_true(strlen(text) > 4);
	}
	assert_non_null(larder_strerror(INT_MIN));
	assert_non_null(larder_strerror(INT_MAX));
}

static void test_outcomes_differ(void **state)
{
	(void)state;
	for (int a = LARDER_OK; a <= LARDER_DAMAGED; a++)
		for (int b = a + 1; b <= LARDER_DAMAGED + 1; b++)
			assert_string_not_equal(larder_strerror(a), larder_strerror(b));
}

static void test_documented_errors_are_explained(void **state)
{
	static const int documented[] = {
		EINVAL, ENAMETOOLONG, EBUSY, ENOENT,	ECONNREFUSED, EACCES,
		EUSERS, EPROTO,	      EBADF, ETIMEDOUT, ENOMEM,	      EROFS,
		E2BIG,	EAGAIN,	      EDOM,  EOVERFLOW, ENOSPC,	      EPERM,
	};

	(void)state;
	/* The words of libc would say nothing about the cache. */
	for (size_t i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
		assert_string_not_equal(larder_strerror(-documented[i]), strerror(documented[i]));
	assert_string_equal(larder_strerror(-EMFILE), strerror(EMFILE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_every_result_has_a_sentence),
		cmocka_unit_test(test_outcomes_differ),
		cmocka_unit_test(test_documented_errors_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
