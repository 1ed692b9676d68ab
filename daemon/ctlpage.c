/* SPDX-License-Identifier: MIT
 *
 * ctlpage.c - storing into the control page
 *
 * Only this process writes here (the keeper: keeper_pid and retired), and it never reads anything
 * back that somebody else could have changed, because nobody can.
 *
 * An event is overwritten in place when the ring comes round: seq goes to 0, then text and time
 * change, then seq is stored. A reader that finds the same seq before and after its copy has the
 * event whole.
 *
 * ORDER  label  store                       load                        orders
 *        E1     ctlpage_event(): seq        whoever prints events       text -> seq
 *        E2     ctlpage_init(): magic       attach                      identity -> magic
 *        E3     ctlpage_retire()            attach, heartbeat check     nothing: a flag
 */
#include "ctlpage.h"

#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "atomic.h"

static uint64_t clock_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t ctlpage_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

uint64_t ctlpage_boot_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

void ctlpage_init(struct ctl_page *ctl, const uint8_t uuid[16], const char *name)
{
	ctl->major = LAYOUT_MAJOR;
	ctl->minor = LAYOUT_MINOR;
	memcpy(ctl->uuid, uuid, sizeof(ctl->uuid));
	snprintf(ctl->name, sizeof(ctl->name), "%s", name);
	/* [E2] release: whoever sees the magic sees the identity */
	store_release(&ctl->magic, CTL_MAGIC);
}

void ctlpage_retire(struct ctl_page *ctl)
{
	/* [E3] release: a flag that only grows */
	store_release(&ctl->retired, 1);
}

bool ctlpage_retired(const struct ctl_page *ctl)
{
	return load_acquire(&ctl->retired) != 0;
}

void ctlpage_beat(struct ctl_page *ctl)
{
	uint64_t now = ctlpage_now_ms();

	/* relaxed: hints, each complete by itself */
	store_relaxed(&ctl->boot_offset_ms, ctlpage_boot_ms() - now);
	store_relaxed(&ctl->heartbeat_ms, now);
}

void ctlpage_event(struct ctl_page *ctl, enum log_level level, const char *fmt, ...)
{
	uint64_t seq = load_relaxed(&ctl->event_seq) + 1;
	struct ctl_event *e = &ctl->events[(seq - 1) % CTL_EVENTS];
	char text[CTL_EVENT_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line(level, "%s", text);
	/* [E1] release fence: a reader that copied any byte of the new text sees this 0 */
	store_relaxed(&e->seq, 0);
	fence_release();
	for (size_t i = 0; i < sizeof(text); i++)
		store_relaxed_u8(&e->text[i], (uint8_t)text[i]);
	store_relaxed(&e->time_ms, clock_ms(CLOCK_REALTIME));
	/* [E1] release: whoever sees this seq sees the text and the time */
	store_release(&e->seq, seq);
	store_release(&ctl->event_seq, seq);
}

/*
 * The list is private memory with one entry; only the word that its offset leads to is shared, and
 * nobody but keeper and daemon can store there. A fork does not inherit the list. It replaces the one
 * of the C library, which this program does not use: it has no robust mutexes.
 */
void ctlpage_guard(struct ctl_page *ctl)
{
	static struct robust_list_head head;
	static struct robust_list entry;

	entry.next = &head.list;
	head.list.next = &entry;
	head.futex_offset = (long)((intptr_t)&ctl->guard - (intptr_t)&entry);
	/* In this order: killed in between, the word still says what it said of the last guard. */
	if (syscall(SYS_set_robust_list, &head, sizeof(head)) == 0)
		store_relaxed_u32(&ctl->guard, (uint32_t)gettid());
}
