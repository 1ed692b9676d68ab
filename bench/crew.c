/* SPDX-License-Identifier: MIT */
/* crew.c - client processes that put a workload on a cache
 *
 * Real processes, forked before any of them has a handle, each attaching by itself; threads within
 * a process use clones of its handle. The parent steers by two words in shared memory and reads the
 * workers' counters from there; nobody locks anything.
 */
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "spawn.h"

struct crew_thread {
	pthread_t id;
	struct crew_shared *shared;
	const struct crew_spec *spec;
	unsigned number;
	struct larder *cache;
};

static void crew_fail(struct crew_shared *shared, unsigned number, int error)
{
	atomic_store(&shared->report[number].first_error, error);
	atomic_fetch_add(&shared->report[number].tally[CREW_ERRORS], 1);
}

static void *crew_thread_main(void *arg)
{
	struct crew_thread *thread = arg;

	worker_run(thread->shared, thread->spec, thread->number, thread->cache);
	return NULL;
}

/* The threads beside the first one. Return: how many were started. */
static unsigned crew_start_threads(struct crew_thread *threads, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct crew_thread *thread = &threads[i];
		int r;

		*thread = threads[0];
		thread->number = threads[0].number + i;
		r = larder_clone(threads[0].cache, &thread->cache);
		if (r == 0)
			r = -pthread_create(&thread->id, NULL, crew_thread_main, thread);
		if (r < 0) {
			larder_close(thread->cache);
			crew_fail(thread->shared, thread->number, r);
			return i;
		}
	}
	return n;
}

static int crew_process(struct crew *crew, unsigned process)
{
	struct crew_thread threads[CREW_MAX_WORKERS];
	unsigned n;
	int r;

	threads[0] = (struct crew_thread){.shared = crew->shared,
					  .spec = &crew->spec,
					  .number = process * crew->spec.threads};
	r = larder_open(&threads[0].cache, crew->spec.cache, NULL);
	if (r < 0) {
		crew_fail(crew->shared, threads[0].number, r);
		return 1;
	}
	n = crew_start_threads(threads, crew->spec.threads);
	if (n < crew->spec.threads)
		return 1; /* the end of the process ends the threads that run */
	crew_thread_main(&threads[0]);
	for (unsigned i = 1; i < n; i++) {
		pthread_join(threads[i].id, NULL);
		larder_close(threads[i].cache);
	}
	larder_close(threads[0].cache);
	return 0;
}

static int crew_wait_ready(struct crew *crew)
{
	while (atomic_load(&crew->shared->n_ready) < crew->n_workers) {
		if (crew_poll(crew) || crew->is_broken) {
			fprintf(stderr, "larder-bench: a client process cannot start\n");
			crew_is_clean(crew);
			return -ECHILD;
		}
		clock_sleep_us(500);
	}
	return 0;
}

int crew_start(struct crew *crew, const struct crew_spec *spec)
{
	unsigned n = spec->processes * spec->threads;
	int r;

	memset(crew, 0, sizeof(*crew));
	crew->spec = *spec;
	crew->n_workers = n;
	crew->shared_bytes = sizeof(struct crew_shared) + n * sizeof(struct crew_report) + 64;
	crew->shared = mmap(NULL, crew->shared_bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	crew->pid = calloc(spec->processes, sizeof(*crew->pid));
	if (crew->shared == MAP_FAILED || !crew->pid) {
		crew->shared = crew->shared == MAP_FAILED ? NULL : crew->shared;
		crew_end(crew);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < spec->processes; i++) {
		crew->pid[i] = spawn_client();
		if (crew->pid[i] == 0)
			_exit(crew_process(crew, i));
		if (crew->pid[i] < 0) {
			crew->pid[i] = 0;
			crew_end(crew);
			return -EAGAIN;
		}
	}
	r = crew_wait_ready(crew);
	if (r < 0)
		crew_end(crew);
	return r;
}

void crew_set_phase(struct crew *crew, enum crew_phase phase)
{
	atomic_store(&crew->shared->phase, phase);
}

void crew_set_window(struct crew *crew, unsigned window)
{
	atomic_store(&crew->shared->window, window);
}

static void crew_reap(struct crew *crew, unsigned process, int flags)
{
	int status;
	pid_t r;

	if (!crew->pid[process])
		return;
	do
		r = waitpid(crew->pid[process], &status, flags);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return;
	crew->pid[process] = 0;
	if (r > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		crew->is_broken = true;
}

bool crew_poll(struct crew *crew)
{
	bool is_over = true;

	for (unsigned i = 0; i < crew->spec.processes; i++) {
		crew_reap(crew, i, WNOHANG);
		is_over &= crew->pid[i] == 0;
	}
	return is_over;
}

void crew_join(struct crew *crew)
{
	for (unsigned i = 0; i < crew->spec.processes; i++)
		crew_reap(crew, i, 0);
}

void crew_end(struct crew *crew)
{
	if (crew->pid) {
		for (unsigned i = 0; i < crew->spec.processes; i++)
			if (crew->pid[i])
				kill(crew->pid[i], SIGKILL);
		crew_join(crew);
	}
	free(crew->pid);
	if (crew->shared)
		munmap(crew->shared, crew->shared_bytes);
	crew->pid = NULL;
	crew->shared = NULL;
}

uint64_t crew_tally(const struct crew *crew, unsigned worker, enum crew_tally tally)
{
	return atomic_load_explicit(&crew->shared->report[worker].tally[tally],
				    memory_order_relaxed);
}

uint64_t crew_total(const struct crew *crew, enum crew_tally tally)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < crew->n_workers; i++)
		sum += crew_tally(crew, i, tally);
	return sum;
}

void crew_hist(const struct crew *crew, unsigned window, struct hist *hist)
{
	for (unsigned i = 0; i < crew->n_workers; i++)
		hist_merge(hist, &crew->shared->report[i].hist[window]);
}

bool crew_is_clean(const struct crew *crew)
{
	bool is_clean = !crew->is_broken;

	if (crew->is_broken)
		fprintf(stderr, "larder-bench: a client process died\n");
	for (unsigned i = 0; i < crew->n_workers; i++) {
		const struct crew_report *report = &crew->shared->report[i];
		int error = atomic_load(&report->first_error);
		uint64_t wrong = atomic_load(&report->first_wrong);

		if (error)
			fprintf(stderr, "larder-bench: client %u: %s\n", i, larder_strerror(error));
		if (wrong)
			fprintf(stderr, "larder-bench: client %u: wrong value of key %llu\n", i,
				(unsigned long long)wrong - 1);
		is_clean &= !error && !wrong;
	}
	return is_clean;
}
