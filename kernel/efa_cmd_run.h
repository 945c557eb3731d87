/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How the typed commands use the admin queue. Only for efa_cmd*.c. */
#ifndef EFA_CMD_RUN_H
#define EFA_CMD_RUN_H

#include "efa_dev.h"

/* cmd and resp are structures of their exact sizes, headers first. */
#define EFA_CMD_RUN(dev, name, cmd, resp)                                                          \
	({                                                                                         \
		BUILD_BUG_ON(sizeof(cmd) > EFA_AQ_ENTRY_SIZE_V1);                                  \
		BUILD_BUG_ON(sizeof(resp) > EFA_ACQ_ENTRY_SIZE);                                   \
		(cmd).aq_common_desc.opcode = EFA_AQ_OPCODE_##name;                                \
		efa_aq_execute(dev, &(cmd), sizeof(cmd), &(resp), sizeof(resp));                   \
	})

#endif
