// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Address handles. The device wants one CREATE_AH for each (PD, GID), so the handles
 * of a process that name one peer share it (device-admin A9.9, verbs A8.7).
 */
#include <linux/slab.h>

#include "efa_uabi.h"
#include "efa_verbs.h"

/* A destination of one PD; in the tree while the device has a handle for it. */
struct efa_ah_peer {
	struct rb_node node;
	u8 gid[EFA_GID_SIZE];
	u16 ahn;
	unsigned int users;
};

static int compare_gid(const void *gid, const struct rb_node *node)
{
	return memcmp(gid, rb_entry(node, struct efa_ah_peer, node)->gid, EFA_GID_SIZE);
}

static int compare_peer(struct rb_node *peer, const struct rb_node *node)
{
	return compare_gid(rb_entry(peer, struct efa_ah_peer, node)->gid, node);
}

/* One is kept: who makes and drops handles in turn allocates nothing. */
static struct efa_ah_peer *alloc_peer(struct efa_pd *pd)
{
	struct efa_ah_peer *peer = pd->ah_spare;

	pd->ah_spare = NULL;
	return peer ?: kmalloc(sizeof(*peer), GFP_KERNEL);
}

static void free_peer(struct efa_pd *pd, struct efa_ah_peer *peer)
{
	if (pd->ah_spare)
		kfree(peer);
	else
		pd->ah_spare = peer;
}

static struct efa_ah_peer *new_peer(struct efa_dev *dev, struct efa_pd *pd, const u8 *gid)
{
	struct efa_ah_peer *peer;
	int err;

	peer = alloc_peer(pd);
	if (!peer)
		return ERR_PTR(-ENOMEM);

	err = efa_cmd_create_ah(dev, pd->pdn, gid, &peer->ahn);
	if (err) {
		free_peer(pd, peer);
		return ERR_PTR(err);
	}
	memcpy(peer->gid, gid, EFA_GID_SIZE);
	peer->users = 0;
	rb_find_add(&peer->node, &pd->ah_peers, compare_peer);
	return peer;
}

static struct efa_ah_peer *get_peer(struct efa_dev *dev, struct efa_pd *pd, const u8 *gid)
{
	struct efa_ah_peer *peer;
	struct rb_node *node;

	mutex_lock(&pd->ah_lock);
	node = rb_find(gid, &pd->ah_peers, compare_gid);
	peer = node ? rb_entry(node, struct efa_ah_peer, node) : new_peer(dev, pd, gid);
	if (!IS_ERR(peer))
		peer->users++;
	mutex_unlock(&pd->ah_lock);
	return peer;
}

static void forget_peer(struct efa_pd *pd, struct efa_ah_peer *peer)
{
	rb_erase(&peer->node, &pd->ah_peers);
	free_peer(pd, peer);
}

/*
 * The last user destroys it. If the device refuses, it still has the handle: then it is
 * kept without users for the next one, as it must not be created twice.
 */
static int put_peer(struct efa_dev *dev, struct efa_pd *pd, struct efa_ah_peer *peer)
{
	int err = 0;

	mutex_lock(&pd->ah_lock);
	if (!--peer->users) {
		err = efa_destroy_outcome(dev, efa_cmd_destroy_ah(dev, pd->pdn, peer->ahn));
		if (!err)
			forget_peer(pd, peer);
	}
	mutex_unlock(&pd->ah_lock);
	return err;
}

/* The PD goes, and with it the handles that the device did not want to give up. */
void efa_ah_forget(struct efa_pd *pd)
{
	struct rb_node *node;

	while ((node = rb_first(&pd->ah_peers)))
		forget_peer(pd, rb_entry(node, struct efa_ah_peer, node));
	kfree(pd->ah_spare);
	pd->ah_spare = NULL;
}

int efa_create_ah(struct ib_ah *ib, struct rdma_ah_init_attr *attr, struct ib_udata *udata)
{
	const u8 *gid = rdma_ah_read_grh(attr->ah_attr)->dgid.raw;
	struct efa_dev *dev = to_efa_dev(ib->device);
	struct efa_uabi_create_ah_resp resp = {};
	struct efa_pd *pd = to_efa_pd(ib->pd);
	struct efa_ah *ah = to_efa_ah(ib);
	int err;

	err = -EOPNOTSUPP;
	if (!(attr->flags & RDMA_CREATE_AH_SLEEPABLE))
		goto err_count;

	err = efa_check_no_input(ib->device, "create_ah", udata);
	if (err)
		goto err_count;

	ah->peer = get_peer(dev, pd, gid);
	if (IS_ERR(ah->peer)) {
		err = PTR_ERR(ah->peer);
		efa_user_error(ib->device,
			       "create_ah: no handle for GID %pI6 (%d), the device has %u in all; check the GID, destroy unused handles",
			       gid, err, dev->attr.max_ah);
		goto err_count;
	}

	resp.efa_address_handle = ah->peer->ahn;
	err = ib_respond_udata(udata, resp);
	if (err)
		goto err_peer;
	return 0;

err_peer:
	put_peer(dev, pd, ah->peer);
err_count:
	efa_count(dev, EFA_STAT_CREATE_AH_ERR);
	return err;
}

int efa_destroy_ah(struct ib_ah *ib, u32 flags)
{
	if (!(flags & RDMA_DESTROY_AH_SLEEPABLE))
		return -EOPNOTSUPP;
	/* No memory hangs on a handle: for its user it is gone in any case. */
	put_peer(to_efa_dev(ib->device), to_efa_pd(ib->pd), to_efa_ah(ib)->peer);
	return 0;
}
