/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The whole device contract. */
#ifndef EFA_HW_H
#define EFA_HW_H

#include "efa_admin.h"
#include "efa_const.h"
#include "efa_eq.h"
#include "efa_features.h"
#include "efa_io.h"
#include "efa_regs.h"
#include "efa_types.h"

#endif
