// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Driver-private request and response, where the core has no functions for them. */
#include "efa_compat.h"

#ifndef EFA_HAVE_UDATA_HELPERS
#include <linux/minmax.h>
#include <linux/uaccess.h>

int efa_compat_udata_in(struct ib_udata *udata, void *req, size_t size, size_t min_size)
{
	size_t len;
	int zero;

	if (!udata || udata->inlen < min_size)
		return -EINVAL;
	len = min(udata->inlen, size);
	if (udata->inlen > len) {
		zero = check_zeroed_user((const char __user *)udata->inbuf + len,
					 udata->inlen - len);
		if (zero <= 0)
			return zero ? zero : -EOPNOTSUPP;
	}
	if (len && copy_from_user(req, udata->inbuf, len))
		return -EFAULT;
	if (size > len)
		memset((char *)req + len, 0, size - len);
	return 0;
}

int efa_compat_respond(struct ib_udata *udata, const void *resp, size_t size)
{
	size_t len = min(udata->outlen, size);

	if (len && copy_to_user(udata->outbuf, resp, len))
		return -EFAULT;
	if (udata->outlen > len &&
	    clear_user((char __user *)udata->outbuf + len, udata->outlen - len))
		return -EFAULT;
	return 0;
}

#endif
