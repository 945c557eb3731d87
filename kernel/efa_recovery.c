// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What happens when the device stops answering. Upstream's driver leaves it dead until
 * somebody unbinds it; here it is reset:
 *
 *   failed -> quiesced -> verbs unregistered (users get IBV_EVENT_DEVICE_FATAL, then EIO)
 *          -> stopped -> started -> verbs registered anew
 *
 * Quiescing comes first and takes only reset_lock, because users who destroy objects wait
 * for it before their memory is freed, and unregistering waits for those users. The rest
 * runs under life, like probe and remove. It runs on the kernel's unbound workqueue, where no
 * device waits for the restart of another.
 */

#include <linux/jiffies.h>

#include "efa_compat.h"
#include "efa_dev.h"
#include "efa_log.h"

/* Resetting takes at most 2 x 31 x 100 ms and some register reads (device-regs R5). */
#define EFA_QUIESCE_LIMIT_MS 30000

#define EFA_RECOVERY_ATTEMPTS	4
#define EFA_RECOVERY_PAUSE_MS	1000 /* doubled after each attempt */
#define EFA_WATCH_INTERVAL_MS	2000

static const char *efa_failure(const struct efa_dev *dev)
{
	if (dev->gone)
		return "it left the PCI bus; its users are told";
	if (READ_ONCE(dev->removing))
		return "it does not answer while it is removed";
	if (dev->fail_reason == EFA_RESET_REASON_OS_TRIGGER)
		return "its PCI function was reset; its users are told, then it is restarted";
	return "it does not answer; its users are told, then it is reset and restarted";
}

/* ---- failure ---- */

void efa_device_failed(struct efa_dev *dev, enum efa_reset_reason reason)
{
	if (cmpxchg(&dev->state, EFA_DEV_RUNNING, EFA_DEV_FAILED) != EFA_DEV_RUNNING)
		return;

	dev->fail_reason = reason;
	efa_aq_stop(dev);
	efa_err(dev, "device failed: %s\n", efa_failure(dev));
	mod_delayed_work(system_dfl_wq, &dev->recovery, 0);
}

bool efa_wait_quiesced(struct efa_dev *dev)
{
	switch (READ_ONCE(dev->state)) {
	case EFA_DEV_STOPPED:
		/* While starting or stopping there is nobody else to do it. */
		efa_quiesce(dev, EFA_RESET_REASON_INIT_ERR);
		return true;
	case EFA_DEV_FAILED:
		return wait_for_completion_timeout(&dev->quiesced,
						   msecs_to_jiffies(EFA_QUIESCE_LIMIT_MS));
	default:
		return true;
	}
}

int efa_destroy_outcome(struct efa_dev *dev, int err)
{
	if (!err || READ_ONCE(dev->state) == EFA_DEV_RUNNING)
		return err;
	if (efa_wait_quiesced(dev))
		return 0;
	efa_err_rl(dev, "the device may still use memory of its users, which is kept: %d\n", err);
	return err;
}

/* ---- recovery ---- */

static int efa_restart(struct efa_dev *dev)
{
	int err;

	err = efa_device_start(dev, dev->fail_reason);
	if (err)
		return err;
	err = efa_verbs_register(dev);
	if (err)
		efa_device_stop(dev, EFA_RESET_REASON_INIT_ERR);
	return err;
}

static void efa_recovery_failed(struct efa_dev *dev, int err)
{
	unsigned int pause_ms = EFA_RECOVERY_PAUSE_MS << dev->failed_recoveries;

	if (efa_gone(dev) || dev->cut_off ||
	    ++dev->failed_recoveries >= EFA_RECOVERY_ATTEMPTS) {
		efa_err(dev,
			"restart failed (%pe); no more attempts, the device is unusable. Unbind the driver, reset the PCI function, bind it again; or stop and start the instance\n",
			ERR_PTR(err));
		return;
	}
	efa_err(dev, "restart failed (%pe); next attempt (%u of %u) in %u s\n", ERR_PTR(err),
		dev->failed_recoveries + 1, EFA_RECOVERY_ATTEMPTS, pause_ms / (u32)MSEC_PER_SEC);
	queue_delayed_work(system_dfl_wq, &dev->recovery, msecs_to_jiffies(pause_ms));
}

static void efa_recover(struct efa_dev *dev)
{
	int err;

	if (dev->ibdev)
		efa_verbs_unregister(dev);
	efa_device_stop(dev, dev->fail_reason);
	if (READ_ONCE(dev->removing))
		return;
	if (efa_gone(dev)) {
		efa_err(dev, "the device is gone; if it comes back, rescan the PCI bus\n");
		return;
	}

	efa_count(dev, EFA_STAT_DEVICE_RESETS);
	err = efa_restart(dev);
	if (err) {
		efa_recovery_failed(dev, err);
		return;
	}
	dev->failed_recoveries = 0;
	efa_info(dev, "the device was restarted; programs have to open it again\n");
}

static void efa_recovery_work(struct work_struct *work)
{
	struct efa_dev *dev = container_of(to_delayed_work(work), struct efa_dev, recovery);

	efa_quiesce(dev, dev->fail_reason);
	mutex_lock(&dev->life);
	if (!dev->removing)
		efa_recover(dev);
	mutex_unlock(&dev->life);
}

/* ---- watch ---- */

/*
 * A program that only polls its CQs would never learn that the device was pulled out. One
 * look at the configuration space now and then tells.
 */
static void efa_watch_work(struct work_struct *work)
{
	struct efa_dev *dev = container_of(to_delayed_work(work), struct efa_dev, watch);

	if (READ_ONCE(dev->state) != EFA_DEV_RUNNING)
		return;
	if (efa_gone(dev))
		efa_device_failed(dev, EFA_RESET_REASON_ADMIN_TO);
	else
		efa_recovery_watch(dev);
}

void efa_recovery_watch(struct efa_dev *dev)
{
	queue_delayed_work(system_dfl_wq, &dev->watch, msecs_to_jiffies(EFA_WATCH_INTERVAL_MS));
}

/* ---- life ---- */

void efa_recovery_init(struct efa_dev *dev)
{
	mutex_init(&dev->life);
	mutex_init(&dev->reset_lock);
	init_completion(&dev->quiesced);
	complete_all(&dev->quiesced); /* nothing was started yet */
	INIT_DELAYED_WORK(&dev->recovery, efa_recovery_work);
	INIT_DELAYED_WORK(&dev->watch, efa_watch_work);
	dev->state = EFA_DEV_STOPPED;
}

/* Without life: recovery may wait for it, to find that there is nothing left to do. */
void efa_recovery_cancel(struct efa_dev *dev)
{
	cancel_delayed_work_sync(&dev->watch);
	cancel_delayed_work_sync(&dev->recovery);
}
