/* SPDX-License-Identifier: MIT
 *
 * step.c - a child process that is run one instruction at a time
 *
 * A page that both share says where the child is: 1 in run(), 2 behind it.
 */
#include "step.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"

#define FORBIDDEN 99

static shm_u32 *mark;

static _Noreturn void child(const struct step_part *part)
{
	int result;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	part->prepare(part->arg);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(FORBIDDEN);
	raise(SIGSTOP);
	store_release_u32(mark, 1);
	result = part->run(part->arg);
	store_release_u32(mark, 2);
	_exit(result);
}

/* Return: the child is stopped; false: it has ended. */
static bool wait_stop(struct step *s)
{
	int status;

	while (waitpid(s->pid, &status, 0) < 0)
		if (errno != EINTR)
			abort();
	if (WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == SIGTRAP || WSTOPSIG(status) == SIGSTOP)
			return true;
		fprintf(stderr, "the child got signal %d after %llu instructions\n",
			WSTOPSIG(status), (unsigned long long)s->steps);
		abort();
	}
	s->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return false;
}

bool step_start(struct step *s, const struct step_part *part)
{
	if (mark == NULL) {
		mark = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (mark == MAP_FAILED)
			abort();
	}
	store_relaxed_u32(mark, 0);
	*s = (struct step){.pid = fork()};
	if (s->pid < 0)
		abort();
	if (s->pid == 0)
		child(part);
	if (!wait_stop(s)) {
		if (s->exit_code == FORBIDDEN)
			return false;
		fprintf(stderr, "preparing failed: %d\n", s->exit_code);
		abort();
	}
	while (load_acquire_u32(mark) == 0)
		if (ptrace(PTRACE_SINGLESTEP, s->pid, NULL, NULL) != 0 || !wait_stop(s))
			abort();
	return true;
}

bool step_one(struct step *s)
{
	if (ptrace(PTRACE_SINGLESTEP, s->pid, NULL, NULL) != 0 || !wait_stop(s))
		abort();
	s->steps++;
	if (load_acquire_u32(mark) != 2)
		return true;
	step_finish(s);
	return false;
}

void step_finish(struct step *s)
{
	if (ptrace(PTRACE_CONT, s->pid, NULL, NULL) != 0 || wait_stop(s))
		abort();
}

void step_kill(struct step *s)
{
	kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}
