/* SPDX-License-Identifier: MIT
 *
 * step.h - a child process that is run one instruction at a time
 */
#ifndef STEP_H
#define STEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct step {
	pid_t pid;
	uint64_t steps; /* instructions of the stepped part */
	int exit_code;	/* after the end */
};

struct step_part {
	void (*prepare)(void *arg); /* at full speed */
	int (*run)(void *arg);	    /* stepped; its result is the exit code */
	void *arg;
};

/* Start a child and stop it at the first instruction of run(). Return: false: ptrace(2) is forbidden. */
bool step_start(struct step *s, const struct step_part *part);

/* One instruction. Return: false: run() is over, and the child has ended. */
bool step_one(struct step *s);

/* The rest at full speed. */
void step_finish(struct step *s);

/* SIGKILL where it stands. */
void step_kill(struct step *s);

#endif
