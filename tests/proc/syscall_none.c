/* SPDX-License-Identifier: MIT
 *
 * syscall_none.c - reads and writes make no system call
 *
 * A client makes calls under a seccomp(2) filter that lets nothing pass but the end of the process, while
 * the daemon evicts. Then the daemon is stopped, and the client has to make room itself: membarrier(2)
 * may pass too, and the counters say that there was at most one for each recycled segment. What the
 * filter catches is reported by number. Skipped where the clocks of the vDSO do not work without a
 * system call, and where seccomp(2) is forbidden.
 */
#include <larder/larder.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "handle.h"
#include "larderd.h"
#include "segment.h"

#define KEYS 40000u
#define VALUE 500u
#define CAUGHT 3
#define FORBIDDEN 4
#define BEHIND 5

struct report {
	shm_u64 number; /* of the system call that was caught, + 1 */
	shm_u64 ready;	/* 1 the client is, 2 so is the world */
	uint64_t before[STAT_COUNT], after[STAT_COUNT];
};

struct part {
	long also; /* the system call that may pass */
	bool pace; /* the daemon is there: wait for it */
};

static struct report *report;

static void caught(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	store_relaxed(&report->number, (uint64_t)info->si_syscall + 1);
	_exit(CAUGHT);
}

static int allow_only(long also)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)also, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
	struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};

	sigaction(SIGSYS, &action, NULL);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static uint64_t spin_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* One of each call. Return: no result was an error. */
static bool all_calls(struct larder *h, unsigned i)
{
	static const struct larder_counter_options create = {.size = sizeof(create), .create = 1};
	static char value[VALUE];
	char buf[2][VALUE];
	unsigned key = i * 2654435761u % KEYS, other = i % 100;
	struct larder_op ops[2] = {
		{.key = &key, .klen = sizeof(key), .buf = buf[0], .len = VALUE},
		{.key = &other, .klen = sizeof(other), .buf = buf[1], .len = VALUE},
	};
	size_t len = VALUE;

	return larder_set(h, &key, sizeof(key), value, VALUE, i % 4 == 0 ? 60000 : 0) == 0 &&
	       larder_get(h, &key, sizeof(key), buf[0], &len) >= 0 && larder_mget(h, ops, 2) >= 0 &&
	       larder_incr(h, "counter", 7, 1, &create, NULL) == 0 &&
	       larder_delete(h, &other, sizeof(other)) >= 0;
}

/* The next segments would have to be made free by this process. */
static bool daemon_behind(struct larder *h)
{
	struct segment_counts n;

	segment_count(h, &n);
	return n.by_state[SEG_FREE] <= h->map->geo.reserve + 1;
}

/* Wait for the daemon, without a system call. */
static void keep_pace(struct larder *h)
{
	uint64_t until = spin_ns() + 5000000000u;

	while (daemon_behind(h))
		if (spin_ns() > until)
			_exit(BEHIND);
}

static void fill_report(struct larder *h, uint64_t (*values)[STAT_COUNT])
{
	CHECK(larder_stats(h, *values, STAT_COUNT) == 0);
}

static void wait_for_parent(void)
{
	store_release(&report->ready, 1);
	while (load_acquire(&report->ready) != 2)
		sleep_ms(1);
}

/* Ends the process. */
static _Noreturn void client(const struct larderd *d, const struct part *part)
{
	struct larder *h = larderd_open(d, 0);
	unsigned goal = 3 * h->n_segs * (h->seg_bytes / (VALUE + 32));

	for (unsigned i = 0; i < 1000; i++)
		CHECK(all_calls(h, i));
	wait_for_parent();
	fill_report(h, &report->before);
	if (!allow_only(part->also))
		_exit(FORBIDDEN);
	for (unsigned i = 0; i < goal; i++) {
		if (part->pace)
			keep_pace(h);
		if (!all_calls(h, i))
			_exit(1);
	}
	fill_report(h, &report->after);
	_exit(0);
}

/* Return: 0; 77; 1 something was caught. */
static int verdict(int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == FORBIDDEN) {
		puts("seccomp(2) is forbidden here");
		return 77;
	}
	if (load_relaxed(&report->number) == SYS_clock_gettime + 1u) {
		puts("reading the clock takes a system call here");
		return 77;
	}
	fprintf(stderr, "status %x, system call %lld\n", (unsigned)status,
		(long long)load_relaxed(&report->number) - 1);
	return 1;
}

static int run(const struct larderd *d, const struct part *part, pid_t daemon)
{
	int status;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		client(d, part);
	while (load_acquire(&report->ready) != 1)
		sleep_ms(1);
	if (!part->pace)
		CHECK(kill(daemon, SIGSTOP) == 0);
	store_release(&report->ready, 2);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(kill(daemon, SIGCONT) == 0);
	return verdict(status);
}

static uint64_t grown(enum counter which)
{
	return report->after[which] - report->before[which];
}

int main(void)
{
	static const struct part beside = {.also = SYS_exit_group, .pace = true};
	static const struct part alone = {.also = SYS_membarrier, .pace = false};
	static const char *const settings[] = {"memory=16M", NULL};
	static struct larderd d; /* the end of the process looks at it */
	struct larder *h;
	pid_t daemon;
	int r;

#ifdef __SANITIZE_ADDRESS__
	puts("the runtime of AddressSanitizer makes system calls of its own");
	return 77;
#endif
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	CHECK(report != MAP_FAILED);
	larderd_start(&d, settings);
	h = larderd_open(&d, 0);
	daemon = (pid_t)load_acquire(&h->map->ctl->daemon_pid);
	r = run(&d, &beside, daemon);
	if (r == 0) {
		CHECK(grown(STAT_evicted) != 0);
		printf("no system call in %llu sets and as many others, %llu items evicted meanwhile\n",
		       (unsigned long long)grown(STAT_set),
		       (unsigned long long)grown(STAT_evicted));
		r = run(&d, &alone, daemon);
	}
	if (r == 0) {
		CHECK(grown(STAT_cleaned) != 0);
		printf("daemon stopped: %llu membarriers, %llu segments recycled\n",
		       (unsigned long long)grown(STAT_membarriers),
		       (unsigned long long)grown(STAT_cleaned));
		CHECK(grown(STAT_membarriers) <= grown(STAT_cleaned));
	}
	larder_close(h);
	larderd_stop(&d);
	return r;
}
