/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Messages for the administrator (verbs A11): what happened, the value, the limit, the
 * cure. The strata below verbs name the PCI function, which outlives every ib_device;
 * verbs name the ib_device (ibdev_err and friends print the PCI address too).
 *
 * Whatever a user or the device can repeat is rate limited. Those are functions: the
 * kernel's macros put a limit, the function's name and a symbol for each at every call,
 * which all take their time when the module is loaded.
 */
#ifndef EFA_LOG_H
#define EFA_LOG_H

#include <linux/dev_printk.h>
#include <linux/types.h>

struct efa_dev;
struct ib_device;

#define efa_err(edev, fmt, ...)	dev_err(&(edev)->pdev->dev, fmt, ##__VA_ARGS__)
#define efa_warn(edev, fmt, ...) dev_warn(&(edev)->pdev->dev, fmt, ##__VA_ARGS__)
#define efa_info(edev, fmt, ...) dev_info(&(edev)->pdev->dev, fmt, ##__VA_ARGS__)
#define efa_dbg(edev, fmt, ...)	dev_dbg(&(edev)->pdev->dev, fmt, ##__VA_ARGS__)

/* Rate limited; fmt ends with a newline. */
__printf(2, 3) void efa_err_rl(struct efa_dev *dev, const char *fmt, ...);
__printf(2, 3) void efa_warn_rl(struct efa_dev *dev, const char *fmt, ...);

/*
 * A user asked for more than there is. what names the thing ("send WQEs"), cure tells the
 * user how to go on.
 */
void efa_over_limit(struct ib_device *ib, const char *verb, const char *what, u64 value,
		    u64 limit, const char *cure);

/*
 * A user's call failed for another reason; fmt starts with the verb and has no newline.
 * Once the device has failed, which was said, every call fails: no news.
 */
__printf(2, 3) void efa_user_error(struct ib_device *ib, const char *fmt, ...);

#endif
