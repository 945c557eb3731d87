/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Messages for the administrator (verbs A11): what happened, the value, the limit, the
 * cure. The strata below verbs name the PCI function, which outlives every ib_device;
 * verbs name the ib_device (ibdev_err and friends print the PCI address too).
 *
 * Whatever a user or the device can repeat is rate limited.
 */
#ifndef EFA_LOG_H
#define EFA_LOG_H

#include <linux/dev_printk.h>
#include <linux/sched.h>
#include <rdma/ib_verbs.h>

#define efa_err(edev, fmt, ...)	dev_err(&(edev)->pdev->dev, fmt, ##__VA_ARGS__)
#define efa_warn(edev, fmt, ...) dev_warn(&(edev)->pdev->dev, fmt, ##__VA_ARGS__)
#define efa_info(edev, fmt, ...) dev_info(&(edev)->pdev->dev, fmt, ##__VA_ARGS__)
#define efa_dbg(edev, fmt, ...)	dev_dbg(&(edev)->pdev->dev, fmt, ##__VA_ARGS__)

#define efa_err_rl(edev, fmt, ...)  dev_err_ratelimited(&(edev)->pdev->dev, fmt, ##__VA_ARGS__)
#define efa_warn_rl(edev, fmt, ...) dev_warn_ratelimited(&(edev)->pdev->dev, fmt, ##__VA_ARGS__)

/*
 * A user asked for more than there is. what and cure are literals: what names the thing
 * ("create_qp: send WQEs"), cure tells the user how to go on.
 */
#define efa_over_limit(ibdev, what, value, limit, cure)                                            \
	ibdev_warn_ratelimited(ibdev, what ": %llu asked, the limit is %llu; " cure " (%s[%d])\n", \
			       (unsigned long long)(value), (unsigned long long)(limit),           \
			       current->comm, task_pid_nr(current))

/*
 * A user's call failed for another reason; fmt starts with the verb. Once the device has
 * failed, which was said, every call fails: no news.
 */
#define efa_user_error(ibdev, fmt, ...)                                                            \
	do {                                                                                       \
		if (READ_ONCE(to_efa_dev(ibdev)->state) == EFA_DEV_RUNNING)                        \
			ibdev_warn_ratelimited(ibdev, fmt " (%s[%d])\n", ##__VA_ARGS__,            \
					       current->comm, task_pid_nr(current));               \
	} while (0)

#endif
