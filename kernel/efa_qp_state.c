// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Which QP state follows which, and with what attributes (verbs A9). */
#include "efa_verbs.h"

struct efa_qp_transition {
	bool valid;
	int required;
	int optional;
};

#define ALWAYS { .valid = true }
#define NEEDS(req, opt) { .valid = true, .required = (req), .optional = (opt) }
#define ALLOWS(opt) { .valid = true, .optional = (opt) }

static const struct efa_qp_transition srd_transitions[IB_QPS_ERR + 1][IB_QPS_ERR + 1] = {
	[IB_QPS_RESET] = {
		[IB_QPS_RESET] = ALWAYS,
		[IB_QPS_INIT] = NEEDS(IB_QP_PKEY_INDEX | IB_QP_PORT | IB_QP_QKEY, 0),
	},
	[IB_QPS_INIT] = {
		[IB_QPS_RESET] = ALWAYS,
		[IB_QPS_ERR] = ALWAYS,
		[IB_QPS_INIT] = ALLOWS(IB_QP_PKEY_INDEX | IB_QP_PORT | IB_QP_QKEY),
		[IB_QPS_RTR] = ALLOWS(IB_QP_PKEY_INDEX | IB_QP_QKEY),
	},
	[IB_QPS_RTR] = {
		[IB_QPS_RESET] = ALWAYS,
		[IB_QPS_ERR] = ALWAYS,
		[IB_QPS_RTS] = NEEDS(IB_QP_SQ_PSN, IB_QP_CUR_STATE | IB_QP_QKEY | IB_QP_RNR_RETRY),
	},
	[IB_QPS_RTS] = {
		[IB_QPS_RESET] = ALWAYS,
		[IB_QPS_ERR] = ALWAYS,
		[IB_QPS_RTS] = ALLOWS(IB_QP_CUR_STATE | IB_QP_QKEY),
		[IB_QPS_SQD] = ALLOWS(IB_QP_EN_SQD_ASYNC_NOTIFY),
	},
	[IB_QPS_SQD] = {
		[IB_QPS_RESET] = ALWAYS,
		[IB_QPS_ERR] = ALWAYS,
		[IB_QPS_RTS] = ALLOWS(IB_QP_CUR_STATE | IB_QP_QKEY),
		[IB_QPS_SQD] = ALLOWS(IB_QP_PKEY_INDEX | IB_QP_QKEY),
	},
	[IB_QPS_SQE] = {
		[IB_QPS_RESET] = ALWAYS,
		[IB_QPS_ERR] = ALWAYS,
		[IB_QPS_RTS] = ALLOWS(IB_QP_CUR_STATE | IB_QP_QKEY),
	},
	[IB_QPS_ERR] = {
		[IB_QPS_RESET] = ALWAYS,
		[IB_QPS_ERR] = ALWAYS,
	},
};

static bool srd_transition_ok(enum ib_qp_state cur, enum ib_qp_state next, int mask)
{
	const struct efa_qp_transition *transition;

	if (cur > IB_QPS_ERR || next > IB_QPS_ERR)
		return false;
	if ((mask & IB_QP_CUR_STATE) && cur != IB_QPS_RTR && cur != IB_QPS_RTS &&
	    cur != IB_QPS_SQD && cur != IB_QPS_SQE)
		return false;

	transition = &srd_transitions[cur][next];
	return transition->valid && (mask & transition->required) == transition->required &&
	       !(mask & ~(transition->required | transition->optional | IB_QP_STATE));
}

/**
 * efa_qp_transition_ok() - may this modify_qp happen?
 * @type: IB_QPT_DRIVER (SRD) or IB_QPT_UD
 * @cur: state it starts from
 * @next: state it leads to
 * @mask: attributes given, IB_QP_*
 */
bool efa_qp_transition_ok(enum ib_qp_type type, enum ib_qp_state cur, enum ib_qp_state next,
			  int mask)
{
	if (type == IB_QPT_DRIVER)
		return srd_transition_ok(cur, next, mask);
	return ib_modify_qp_is_ok(cur, next, type, mask);
}
