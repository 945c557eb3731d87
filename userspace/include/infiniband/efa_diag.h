/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What this libefa adds to the efadv interface: words for the error numbers of the device.
 *
 * The distribution's libefa does not have it. A program that must also run there looks it up with
 * dlsym(RTLD_DEFAULT, "efa_vendor_err_str").
 */
#ifndef EFA_DIAG_H
#define EFA_DIAG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * efa_vendor_err_str() - what a failed completion of an EFA device means.
 * @vendor_err: ibv_wc.vendor_err or ibv_wc_read_vendor_err(), which on EFA is the status of the
 *              device (spec device-io I8). Any value is allowed.
 *
 * Return: one line of English without a newline: what happened, the likely cause, the cure. Never
 * NULL; numbers that no device is known to report get a sentence of their own. The string is
 * constant and lives as long as the library.
 *
 * May be called from any thread and from signal handlers. Symbol version EFA_OPEN_1.0.
 */
const char* efa_vendor_err_str(uint32_t vendor_err);

#ifdef __cplusplus
}
#endif

#endif /* EFA_DIAG_H */
