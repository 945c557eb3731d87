// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Protection domains (verbs A8.1). */
#include "efa_uabi.h"
#include "efa_verbs.h"

int efa_alloc_pd(struct ib_pd *ib, struct ib_udata *udata)
{
	struct efa_dev *dev = to_efa_dev(ib->device);
	struct efa_uabi_alloc_pd_resp resp = {};
	struct efa_pd *pd = to_efa_pd(ib);
	int err;

	err = efa_check_no_input(ib->device, "alloc_pd", udata);
	if (err)
		goto err_count;

	err = efa_cmd_alloc_pd(dev, &pd->pdn);
	if (err) {
		efa_user_error(ib->device,
			       "alloc_pd: the device gave none of its %u protection domains (%d); free unused ones",
			       dev->attr.max_pd, err);
		goto err_count;
	}

	mutex_init(&pd->ah_lock);
	pd->ah_peers = RB_ROOT;
	pd->ah_spare = NULL;
	resp.pdn = pd->pdn;
	err = ib_respond_udata(udata, resp);
	if (err)
		goto err_pd;
	return 0;

err_pd:
	mutex_destroy(&pd->ah_lock);
	efa_cmd_dealloc_pd(dev, pd->pdn);
err_count:
	efa_count(dev, EFA_STAT_ALLOC_PD_ERR);
	return err;
}

/* No memory hangs on a PD, so what the device says does not matter (verbs A8.1). */
int efa_dealloc_pd(struct ib_pd *ib, struct ib_udata *udata)
{
	struct efa_pd *pd = to_efa_pd(ib);

	efa_cmd_dealloc_pd(to_efa_dev(ib->device), pd->pdn);
	efa_ah_forget(pd);
	mutex_destroy(&pd->ah_lock);
	return 0;
}
