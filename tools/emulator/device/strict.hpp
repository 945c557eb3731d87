// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Strict mode: what a conforming driver leaves 0 (device.md 0). One overload per command; true if
/// something that the layout reserves is set.
#pragma once

#include "efa_hw.h"

namespace efa::emu {

bool reserved_set(const efa_alloc_pd_cmd& cmd) noexcept;
bool reserved_set(const efa_dealloc_pd_cmd& cmd) noexcept;
bool reserved_set(const efa_alloc_uar_cmd& cmd) noexcept;
bool reserved_set(const efa_dealloc_uar_cmd& cmd) noexcept;
bool reserved_set(const efa_create_qp_cmd& cmd) noexcept;
bool reserved_set(const efa_modify_qp_cmd& cmd) noexcept;
bool reserved_set(const efa_query_qp_cmd& cmd) noexcept;
bool reserved_set(const efa_destroy_qp_cmd& cmd) noexcept;
bool reserved_set(const efa_create_cq_cmd& cmd) noexcept;
bool reserved_set(const efa_destroy_cq_cmd& cmd) noexcept;
bool reserved_set(const efa_create_ah_cmd& cmd) noexcept;
bool reserved_set(const efa_destroy_ah_cmd& cmd) noexcept;
bool reserved_set(const efa_reg_mr_cmd& cmd) noexcept;
bool reserved_set(const efa_dereg_mr_cmd& cmd) noexcept;
bool reserved_set(const efa_alloc_mr_cmd& cmd) noexcept;
bool reserved_set(const efa_get_feature_cmd& cmd) noexcept;
bool reserved_set(const efa_set_feature_cmd& cmd) noexcept;
bool reserved_set(const efa_get_stats_cmd& cmd) noexcept;
bool reserved_set(const efa_create_event_counter_cmd& cmd) noexcept;
bool reserved_set(const efa_destroy_event_counter_cmd& cmd) noexcept;
bool reserved_set(const efa_attach_detach_event_counter_cmd& cmd) noexcept;
bool reserved_set(const efa_modify_event_counter_cmd& cmd) noexcept;
bool reserved_set(const efa_create_eq_cmd& cmd) noexcept;
bool reserved_set(const efa_destroy_eq_cmd& cmd) noexcept;

}  // namespace efa::emu
