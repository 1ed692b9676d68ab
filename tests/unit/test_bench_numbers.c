/* SPDX-License-Identifier: MIT */
/* test_bench_numbers.c - histogram, zipf and permutation of the harness */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bench/hist.h"
#include "../../bench/perm.h"
#include "../../bench/zipf.h"

static struct hist hist;

static void test_hist_small_values_are_exact(void **state)
{
	(void)state;
	hist_reset(&hist);
	for (uint64_t i = 1; i <= 100; i++)
		hist_add(&hist, i);
	assert_int_equal(hist_percentile(&hist, 50), 50);
	assert_int_equal(hist_percentile(&hist, 99), 99);
	assert_int_equal(hist_percentile(&hist, 100), 100);
	assert_int_equal(hist.max, 100);
	assert_true(fabs(hist_mean(&hist) - 50.5) < 1e-9);
}

static void test_hist_error_is_bounded(void **state)
{
	(void)state;
	for (uint64_t v = 1; v < (UINT64_C(1) << 42); v = v * 5 / 4 + 1) {
		uint64_t p;

		hist_reset(&hist);
		hist_add(&hist, v);
		hist_add(&hist, UINT64_C(1) << 62); /* so that the maximum does not bound it */
		p = hist_percentile(&hist, 50);
		assert_true(p >= v);
		assert_true((double)p <= (double)v * (1 + 1.0 / 128));
	}
}

static void test_hist_extremes(void **state)
{
	(void)state;
	hist_reset(&hist);
	assert_int_equal(hist_percentile(&hist, 99), 0);
	hist_add(&hist, 0);
	assert_int_equal(hist_percentile(&hist, 100), 0);
	hist_add(&hist, UINT64_MAX);
	assert_int_equal(hist.max, UINT64_MAX);
	assert_int_equal(hist.n, 2);
}

static void test_hist_merge_adds(void **state)
{
	static struct hist other;

	(void)state;
	hist_reset(&hist);
	hist_reset(&other);
	for (uint64_t i = 0; i < 1000; i++)
		hist_add(i & 1 ? &hist : &other, i * 1000);
	hist_merge(&hist, &other);
	assert_int_equal(hist.n, 1000);
	assert_int_equal(hist.max, 999000);
	assert_true(hist_percentile(&hist, 50) >= 499000);
	assert_true(hist_percentile(&hist, 50) <= 504000);
}

static void check_perm(uint64_t n, uint64_t seed)
{
	unsigned char *seen = calloc(n, 1);
	struct perm perm;

	assert_non_null(seen);
	perm_init(&perm, n, seed);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = perm_at(&perm, i);

		assert_true(at < n);
		assert_int_equal(seen[at], 0);
		seen[at] = 1;
	}
	free(seen);
}

static void test_perm_is_a_bijection(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 70; n++)
		check_perm(n, n);
	check_perm(65536, 1);
	check_perm(65537, 2);
	check_perm(100003, 3);
}

/* The share of the first ranks against the sum that defines them. */
static void check_zipf(uint64_t n, double theta)
{
	unsigned count[10] = {0};
	unsigned draws = 400000;
	struct rng rng = {7};
	struct zipf zipf;
	double sum = 0;

	zipf_init(&zipf, n, theta);
	for (unsigned i = 0; i < draws; i++) {
		uint64_t rank = zipf_next(&zipf, &rng);

		assert_true(rank < n);
		if (rank < 10)
			count[rank]++;
	}
	for (uint64_t i = 1; i <= n; i++)
		sum += pow((double)i, -theta);
	for (unsigned i = 0; i < 10 && i < n; i++) {
		double want = pow(i + 1.0, -theta) / sum * draws;

		assert_true(fabs(count[i] - want) < 6 * sqrt(want) + 1);
	}
}

static void test_zipf_matches_its_definition(void **state)
{
	(void)state;
	check_zipf(1, 0.99);
	check_zipf(2, 0.99);
	check_zipf(1000, 0.99);
	check_zipf(1000, 1.0);
	check_zipf(100000, 0.5);
	check_zipf(100000, 1.3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hist_small_values_are_exact),
		cmocka_unit_test(test_hist_error_is_bounded),
		cmocka_unit_test(test_hist_extremes),
		cmocka_unit_test(test_hist_merge_adds),
		cmocka_unit_test(test_perm_is_a_bijection),
		cmocka_unit_test(test_zipf_matches_its_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
