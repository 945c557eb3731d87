// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Messages that a user or the device can repeat (verbs A11). */

#include <linux/hash.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>

#include "efa_log.h"
#include "efa_verbs.h"

/*
 * A flood of one message must not hide another, so each has its limit: the one that its
 * text's address leads to. Two may share one.
 */
#define EFA_LOG_LIMIT_BITS 6

static struct ratelimit_state efa_log_limits[1 << EFA_LOG_LIMIT_BITS] = {
	[0 ... (1 << EFA_LOG_LIMIT_BITS) - 1] =
		RATELIMIT_STATE_INIT(efa_log_limits, DEFAULT_RATELIMIT_INTERVAL,
				     DEFAULT_RATELIMIT_BURST),
};

static bool efa_log_may_say(const char *fmt)
{
	return ___ratelimit(&efa_log_limits[hash_ptr(fmt, EFA_LOG_LIMIT_BITS)], "efa");
}

void efa_err_rl(struct efa_dev *dev, const char *fmt, ...)
{
	struct va_format message = { .fmt = fmt };
	va_list args;

	if (!efa_log_may_say(fmt))
		return;
	va_start(args, fmt);
	message.va = &args;
	efa_err(dev, "%pV", &message);
	va_end(args);
}

void efa_warn_rl(struct efa_dev *dev, const char *fmt, ...)
{
	struct va_format message = { .fmt = fmt };
	va_list args;

	if (!efa_log_may_say(fmt))
		return;
	va_start(args, fmt);
	message.va = &args;
	efa_warn(dev, "%pV", &message);
	va_end(args);
}

void efa_over_limit(struct ib_device *ib, const char *verb, const char *what, u64 value,
		    u64 limit, const char *cure)
{
	if (efa_log_may_say(what))
		ibdev_warn(ib, "%s: %s: %llu asked, the limit is %llu; %s (%s[%d])\n", verb, what,
			   value, limit, cure, current->comm, task_pid_nr(current));
}

void efa_user_error(struct ib_device *ib, const char *fmt, ...)
{
	struct va_format message = { .fmt = fmt };
	va_list args;

	if (READ_ONCE(to_efa_dev(ib)->state) != EFA_DEV_RUNNING || !efa_log_may_say(fmt))
		return;
	va_start(args, fmt);
	message.va = &args;
	ibdev_warn(ib, "%pV (%s[%d])\n", &message, current->comm, task_pid_nr(current));
	va_end(args);
}
