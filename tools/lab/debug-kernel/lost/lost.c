// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Loses memory, so that one can see the leak check fail. */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

/* Several, for a stale copy of one address may be on some stack. */
static int __init lost_init(void)
{
	void *block;
	int i;

	for (i = 0; i < 10; i++) {
		block = kmalloc(100, GFP_KERNEL);
		if (!block)
			return -ENOMEM;
		memset(block, 0, 100);
	}
	return 0;
}
module_init(lost_init);

static void __exit lost_exit(void)
{
}
module_exit(lost_exit);

MODULE_DESCRIPTION("Loses memory, for tests of the leak check");
MODULE_LICENSE("Dual BSD/GPL");
