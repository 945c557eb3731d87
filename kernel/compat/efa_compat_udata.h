/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Driver-private request and response (UHW), with the rules and error numbers of
 * release 7.3 (verbs A3): a short request is completed with zeros, a long one may only
 * carry zeros, a long response buffer is filled with zeros.
 */
#ifndef EFA_COMPAT_UDATA_H
#define EFA_COMPAT_UDATA_H

#ifndef EFA_HAVE_UDATA_HELPERS

#include <rdma/ib_verbs.h>

int efa_compat_udata_in(struct ib_udata *udata, void *req, size_t size, size_t min_size);
int efa_compat_respond(struct ib_udata *udata, const void *resp, size_t size);

#define ib_copy_validate_udata_in(_udata, _req, _end_member)                                       \
	efa_compat_udata_in(_udata, &(_req), sizeof(_req), offsetofend(typeof(_req), _end_member))

#define ib_copy_validate_udata_in_cm(_udata, _req, _end_member, _valid_cm)                         \
	({                                                                                         \
		int _ret = ib_copy_validate_udata_in(_udata, _req, _end_member);                   \
		if (!_ret && ((_req).comp_mask & ~(_valid_cm)))                                    \
			_ret = -EOPNOTSUPP;                                                        \
		_ret;                                                                              \
	})

#define ib_respond_udata(_udata, _resp) efa_compat_respond(_udata, &(_resp), sizeof(_resp))

static inline int ib_is_udata_in_empty(struct ib_udata *udata)
{
	if (!udata || !udata->inlen)
		return 0;
	return efa_compat_udata_in(udata, NULL, 0, 0);
}

static inline int ib_respond_empty_udata(struct ib_udata *udata)
{
	return udata ? efa_compat_respond(udata, NULL, 0) : 0;
}

static inline int ib_no_udata_io(struct ib_udata *udata)
{
	int err = ib_is_udata_in_empty(udata);

	return err ? err : ib_respond_empty_udata(udata);
}

#endif
#endif
