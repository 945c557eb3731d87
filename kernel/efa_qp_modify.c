// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Attributes of a queue pair: modify and query (verbs A8.4, A8.5). */
#include "efa_verbs.h"

#define EFA_MODIFY_MASK                                                                            \
	(IB_QP_STATE | IB_QP_CUR_STATE | IB_QP_EN_SQD_ASYNC_NOTIFY | IB_QP_PKEY_INDEX |            \
	 IB_QP_PORT | IB_QP_QKEY | IB_QP_SQ_PSN | IB_QP_RNR_RETRY)
#define EFA_QUERY_MASK                                                                             \
	(IB_QP_STATE | IB_QP_PKEY_INDEX | IB_QP_PORT | IB_QP_QKEY | IB_QP_SQ_PSN | IB_QP_CAP |     \
	 IB_QP_RNR_RETRY)

/* The state numbers of verbs are those of the device (device-admin A9.7). */
static_assert((int)IB_QPS_RESET == (int)EFA_QP_STATE_RESET);
static_assert((int)IB_QPS_INIT == (int)EFA_QP_STATE_INIT);
static_assert((int)IB_QPS_RTR == (int)EFA_QP_STATE_RTR);
static_assert((int)IB_QPS_RTS == (int)EFA_QP_STATE_RTS);
static_assert((int)IB_QPS_SQD == (int)EFA_QP_STATE_SQD);
static_assert((int)IB_QPS_SQE == (int)EFA_QP_STATE_SQE);
static_assert((int)IB_QPS_ERR == (int)EFA_QP_STATE_ERR);

static const char *state_name(enum ib_qp_state state)
{
	static const char *const names[] = { "RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR" };

	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

static int check_modify(struct efa_qp *qp, const struct ib_qp_attr *attr, int mask,
			enum ib_qp_state cur, enum ib_qp_state next)
{
	if (!efa_qp_transition_ok(qp->type, cur, next, mask)) {
		efa_user_error(qp->ib.device,
			       "modify_qp: QP %u cannot go from %s to %s with attributes %#x; see the state table of %s QPs",
			       qp->ib.qp_num, state_name(cur), state_name(next), mask,
			       qp->type == IB_QPT_UD ? "UD" : "SRD");
		return -EINVAL;
	}
	if ((mask & IB_QP_PKEY_INDEX) && attr->pkey_index) {
		efa_user_error(qp->ib.device, "modify_qp: P_Key index %u; the only one is 0",
			       attr->pkey_index);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Port and P_Key index were checked and are not sent. */
static int send_modify(struct efa_qp *qp, const struct ib_qp_attr *attr, int mask,
		       enum ib_qp_state cur, enum ib_qp_state next)
{
	struct efa_modify_qp_params params = {
		.handle = qp->handle,
		.state = (enum efa_qp_state)next,
		.cur_state = (enum efa_qp_state)cur,
		.qkey = attr->qkey,
		.sq_psn = attr->sq_psn,
		.sq_drained_notify = attr->en_sqd_async_notify,
		.rnr_retry = attr->rnr_retry,
	};

	if (mask & IB_QP_STATE)
		params.mask |= EFA_MODIFY_QP_CMD_QP_STATE_MASK |
			       EFA_MODIFY_QP_CMD_CUR_QP_STATE_MASK;
	if (mask & IB_QP_QKEY)
		params.mask |= EFA_MODIFY_QP_CMD_QKEY_MASK;
	if (mask & IB_QP_SQ_PSN)
		params.mask |= EFA_MODIFY_QP_CMD_SQ_PSN_MASK;
	if (mask & IB_QP_EN_SQD_ASYNC_NOTIFY)
		params.mask |= EFA_MODIFY_QP_CMD_SQ_DRAINED_ASYNC_NOTIFY_MASK;
	if (mask & IB_QP_RNR_RETRY)
		params.mask |= EFA_MODIFY_QP_CMD_RNR_RETRY_MASK;
	return efa_cmd_modify_qp(to_efa_dev(qp->ib.device), &params);
}

static int modify(struct efa_qp *qp, const struct ib_qp_attr *attr, int mask)
{
	enum ib_qp_state cur = mask & IB_QP_CUR_STATE ? attr->cur_qp_state : qp->state;
	enum ib_qp_state next = mask & IB_QP_STATE ? attr->qp_state : cur;
	int err;

	err = check_modify(qp, attr, mask, cur, next);
	if (err)
		return err;

	err = send_modify(qp, attr, mask, cur, next);
	if (err) {
		efa_user_error(qp->ib.device, "modify_qp: QP %u from %s to %s: failed (%d)",
			       qp->ib.qp_num, state_name(cur), state_name(next), err);
		return err;
	}
	qp->state = next;
	return 0;
}

int efa_modify_qp(struct ib_qp *ib, struct ib_qp_attr *attr, int mask, struct ib_udata *udata)
{
	struct efa_qp *qp = to_efa_qp(ib);
	int err;

	if (mask & ~IB_QP_ATTR_STANDARD_BITS) {
		efa_user_error(ib->device, "modify_qp: attributes %#x are not known",
			       mask & ~IB_QP_ATTR_STANDARD_BITS);
		return -EOPNOTSUPP;
	}
	err = efa_check_no_input(ib->device, "modify_qp", udata) ?: ib_respond_empty_udata(udata);
	if (err)
		return err;
	if (mask & ~EFA_MODIFY_MASK) {
		efa_user_error(ib->device,
			       "modify_qp: attributes %#x have no meaning for UD and SRD; leave them out",
			       mask & ~EFA_MODIFY_MASK);
		return -EOPNOTSUPP;
	}

	mutex_lock(&qp->modify_lock);
	err = modify(qp, attr, mask);
	mutex_unlock(&qp->modify_lock);
	return err;
}

static void fill_init_attr(struct efa_qp *qp, struct ib_qp_init_attr *init_attr)
{
	memset(init_attr, 0, sizeof(*init_attr));
	init_attr->qp_type = qp->type;
	init_attr->send_cq = qp->ib.send_cq;
	init_attr->recv_cq = qp->ib.recv_cq;
	init_attr->qp_context = qp->ib.qp_context;
	init_attr->cap = qp->cap;
}

int efa_query_qp(struct ib_qp *ib, struct ib_qp_attr *attr, int mask,
		 struct ib_qp_init_attr *init_attr)
{
	struct efa_query_qp_result result = {};
	struct efa_qp *qp = to_efa_qp(ib);
	int err;

	if (mask & ~EFA_QUERY_MASK) {
		efa_user_error(ib->device,
			       "query_qp: attributes %#x have no meaning for UD and SRD; leave them out",
			       mask & ~EFA_QUERY_MASK);
		return -EOPNOTSUPP;
	}

	err = efa_cmd_query_qp(to_efa_dev(ib->device), qp->handle, &result);
	if (err) {
		efa_user_error(ib->device, "query_qp: QP %u: failed (%d)", ib->qp_num, err);
		return err;
	}

	memset(attr, 0, sizeof(*attr));
	attr->qp_state = (enum ib_qp_state)result.state;
	attr->qkey = result.qkey;
	attr->sq_psn = result.sq_psn;
	attr->sq_draining = result.draining;
	attr->rnr_retry = result.rnr_retry;
	attr->port_num = 1;
	attr->cap = qp->cap;
	fill_init_attr(qp, init_attr);
	return 0;
}
