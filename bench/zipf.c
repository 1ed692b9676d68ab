/* SPDX-License-Identifier: MIT */
/* zipf.c - ranks with probability proportional to 1 / (rank + 1)^theta
 *
 * Rejection inversion (W. Hoermann, G. Derflinger, 1996): invert the integral of the continuous
 * hat, round, and accept with the ratio of the step to the hat. Exact for every n and theta, no
 * table, about 1.1 rounds. The well-known method of YCSB is only approximate and needs a sum over n.
 */
#include "zipf.h"

#include <math.h>

/* (exp(x) - 1) / x, also at 0 */
static double zipf_expm1_ratio(double x)
{
	return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

/* log(1 + x) / x, also at 0 */
static double zipf_log1p_ratio(double x)
{
	return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

/* The integral of x^-theta, which is log(x) at theta = 1. */
static double zipf_integral(double x, double theta)
{
	double log_x = log(x);

	return zipf_expm1_ratio((1 - theta) * log_x) * log_x;
}

static double zipf_inverse(double y, double theta)
{
	double t = y * (1 - theta);

	if (t < -1)
		t = -1;
	return exp(zipf_log1p_ratio(t) * y);
}

static double zipf_density(double x, double theta)
{
	return exp(-theta * log(x));
}

void zipf_init(struct zipf *zipf, uint64_t n, double theta)
{
	zipf->n = n;
	zipf->theta = theta;
	zipf->h_first = zipf_integral(1.5, theta) - 1;
	zipf->h_last = zipf_integral((double)n + 0.5, theta);
	zipf->shortcut =
		2 - zipf_inverse(zipf_integral(2.5, theta) - zipf_density(2, theta), theta);
}

uint64_t zipf_next(const struct zipf *zipf, struct rng *rng)
{
	for (;;) {
		double u = zipf->h_last + rng_unit(rng) * (zipf->h_first - zipf->h_last);
		double x = zipf_inverse(u, zipf->theta);
		double k = floor(x + 0.5);

		if (k < 1)
			k = 1;
		else if (k > (double)zipf->n)
			k = (double)zipf->n;
		if (k - x <= zipf->shortcut ||
		    u >= zipf_integral(k + 0.5, zipf->theta) - zipf_density(k, zipf->theta))
			return (uint64_t)k - 1;
	}
}
