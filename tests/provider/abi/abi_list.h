// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What libefa declares of the private interface of libibverbs (userspace/src/ibverbs_abi.hpp,
// uverbs_ioctl.hpp), one entry each. real.c reads the list in the words of rdma-core's headers,
// ours.cpp in ours; abi_check.py compares what the two print. Includers define:
//
//   ABI_SIZE(real, ours)                                 a structure
//   ABI_MEMBER(real, real_member, ours, our_member)      a member: offset and size
//   ABI_VALUE(real, ours)                                a number
//   ABI_OP(name, result, arguments)                      a member of the table of operations
//   ABI_DEVICE_OP(name, result, arguments)               ... of the table of a driver
//   ABI_FUNCTION(name, result, arguments)                a function of libibverbs
//
// Signatures are in the names of rdma-core's headers; ours.cpp maps these to ours.

ABI_SIZE(struct ibv_context, ibv_context)
ABI_SIZE(struct verbs_context, verbs_context)
ABI_MEMBER(struct verbs_context, context, verbs_context, context)
ABI_SIZE(struct verbs_context_ops, ContextOps)
ABI_SIZE(struct verbs_device_ops, DeviceOps)
ABI_MEMBER(struct verbs_device_ops, name, DeviceOps, name)
ABI_MEMBER(struct verbs_device_ops, match_min_abi_version, DeviceOps, match_min_abi_version)
ABI_MEMBER(struct verbs_device_ops, match_max_abi_version, DeviceOps, match_max_abi_version)
ABI_MEMBER(struct verbs_device_ops, match_table, DeviceOps, match_table)
ABI_MEMBER(struct verbs_device_ops, static_providers, DeviceOps, static_providers)
ABI_SIZE(struct verbs_match_ent, MatchEntry)
ABI_MEMBER(struct verbs_match_ent, driver_data, MatchEntry, driver_data)
ABI_MEMBER(struct verbs_match_ent, u.driver_id, MatchEntry, driver_id)
ABI_MEMBER(struct verbs_match_ent, vendor, MatchEntry, vendor)
ABI_MEMBER(struct verbs_match_ent, device, MatchEntry, device)
ABI_MEMBER(struct verbs_match_ent, kind, MatchEntry, kind)
ABI_SIZE(struct verbs_device, VerbsDevice)
ABI_MEMBER(struct verbs_device, device, VerbsDevice, device)
ABI_MEMBER(struct verbs_device, ops, VerbsDevice, ops)
ABI_MEMBER(struct verbs_device, refcount, VerbsDevice, refcount)
ABI_MEMBER(struct verbs_device, entry, VerbsDevice, list_entry)
ABI_MEMBER(struct verbs_device, sysfs, VerbsDevice, sysfs)
ABI_MEMBER(struct verbs_device, core_support, VerbsDevice, core_support)
ABI_SIZE(struct verbs_mr, VerbsMr)
ABI_MEMBER(struct verbs_mr, ibv_mr, VerbsMr, mr)
ABI_MEMBER(struct verbs_mr, mr_type, VerbsMr, mr_type)
ABI_MEMBER(struct verbs_mr, access, VerbsMr, access)
ABI_SIZE(struct verbs_qp, VerbsQp)
ABI_MEMBER(struct verbs_qp, qp, VerbsQp, qp)
ABI_MEMBER(struct verbs_qp, qp_ex, VerbsQp, qp_ex)
ABI_MEMBER(struct verbs_qp, comp_mask, VerbsQp, comp_mask)
ABI_MEMBER(struct verbs_qp, xrcd, VerbsQp, xrcd)
ABI_SIZE(struct verbs_cq, VerbsCq)
ABI_MEMBER(struct verbs_cq, cq, VerbsCq, cq)
ABI_MEMBER(struct verbs_cq, cq_ex, VerbsCq, cq_ex)

ABI_SIZE(struct ibv_get_context, GetContext)
ABI_SIZE(struct ibv_alloc_pd, AllocPd)
ABI_SIZE(struct ibv_reg_mr, RegMr)
ABI_SIZE(struct ibv_create_qp, CreateQp)
ABI_SIZE(struct ibv_modify_qp, ModifyQp)
ABI_SIZE(struct ibv_query_qp, QueryQp)
ABI_SIZE(struct ibv_query_port, QueryPort)
ABI_SIZE(struct ibv_create_cq_ex, CreateCqEx)
ABI_MEMBER(struct ibv_get_context, core_payload, GetContext, core)
ABI_MEMBER(struct ibv_alloc_pd, core_payload, AllocPd, core)
ABI_MEMBER(struct ibv_create_qp, core_payload, CreateQp, core)
ABI_MEMBER(struct ibv_create_cq_ex, core_payload, CreateCqEx, core)
ABI_SIZE(struct ib_uverbs_get_context_resp, ib_uverbs_get_context_resp)
ABI_SIZE(struct ib_uverbs_alloc_pd_resp, ib_uverbs_alloc_pd_resp)
ABI_SIZE(struct ib_uverbs_create_ah_resp, ib_uverbs_create_ah_resp)
ABI_SIZE(struct ib_uverbs_create_qp_resp, ib_uverbs_create_qp_resp)
ABI_SIZE(struct ib_uverbs_ex_create_cq_resp, ib_uverbs_ex_create_cq_resp)

ABI_VALUE(RDMA_DRIVER_EFA, kDriverEfa)
ABI_VALUE(VERBS_LOG_ERR, kLogError)
ABI_VALUE(VERBS_LOG_WARN, kLogWarning)
ABI_VALUE(VERBS_LOG_INFO, kLogInfo)
ABI_VALUE(VERBS_LOG_DEBUG, kLogDebug)
ABI_VALUE(VERBS_MATCH_SENTINEL, kMatchSentinel)
ABI_VALUE(VERBS_MATCH_PCI, kMatchPci)
ABI_VALUE(VERBS_MATCH_DRIVER_ID, kMatchDriverId)
ABI_VALUE(VERBS_QP_EX, kVerbsQpEx)

ABI_DEVICE_OP(match_device, bool, (struct verbs_sysfs_dev*))
ABI_DEVICE_OP(alloc_context, struct verbs_context*, (struct ibv_device*, int, void*))
ABI_DEVICE_OP(import_context, struct verbs_context*, (struct ibv_device*, int))
ABI_DEVICE_OP(alloc_device, struct verbs_device*, (struct verbs_sysfs_dev*))
ABI_DEVICE_OP(uninit_device, void, (struct verbs_device*))

ABI_OP(alloc_parent_domain, struct ibv_pd*,
       (struct ibv_context*, struct ibv_parent_domain_init_attr*))
ABI_OP(alloc_pd, struct ibv_pd*, (struct ibv_context*))
ABI_OP(alloc_td, struct ibv_td*, (struct ibv_context*, struct ibv_td_init_attr*))
ABI_OP(async_event, void, (struct ibv_context*, struct ibv_async_event*))
ABI_OP(cq_event, void, (struct ibv_cq*))
ABI_OP(create_ah, struct ibv_ah*, (struct ibv_pd*, struct ibv_ah_attr*))
ABI_OP(create_cq, struct ibv_cq*, (struct ibv_context*, int, struct ibv_comp_channel*, int))
ABI_OP(create_cq_ex, struct ibv_cq_ex*, (struct ibv_context*, struct ibv_cq_init_attr_ex*))
ABI_OP(create_qp, struct ibv_qp*, (struct ibv_pd*, struct ibv_qp_init_attr*))
ABI_OP(create_qp_ex, struct ibv_qp*, (struct ibv_context*, struct ibv_qp_init_attr_ex*))
ABI_OP(dealloc_pd, int, (struct ibv_pd*))
ABI_OP(dealloc_td, int, (struct ibv_td*))
ABI_OP(dereg_mr, int, (struct verbs_mr*))
ABI_OP(destroy_ah, int, (struct ibv_ah*))
ABI_OP(destroy_cq, int, (struct ibv_cq*))
ABI_OP(destroy_qp, int, (struct ibv_qp*))
ABI_OP(free_context, void, (struct ibv_context*))
ABI_OP(modify_qp, int, (struct ibv_qp*, struct ibv_qp_attr*, int))
ABI_OP(poll_cq, int, (struct ibv_cq*, int, struct ibv_wc*))
ABI_OP(post_recv, int, (struct ibv_qp*, struct ibv_recv_wr*, struct ibv_recv_wr**))
ABI_OP(post_send, int, (struct ibv_qp*, struct ibv_send_wr*, struct ibv_send_wr**))
ABI_OP(query_device_ex, int,
       (struct ibv_context*, const struct ibv_query_device_ex_input*, struct ibv_device_attr_ex*,
        size_t))
ABI_OP(query_port, int, (struct ibv_context*, uint8_t, struct ibv_port_attr*))
ABI_OP(query_qp, int, (struct ibv_qp*, struct ibv_qp_attr*, int, struct ibv_qp_init_attr*))
ABI_OP(query_qp_data_in_order, int, (struct ibv_qp*, enum ibv_wr_opcode, uint32_t))
ABI_OP(reg_dmabuf_mr, struct ibv_mr*, (struct ibv_pd*, uint64_t, size_t, uint64_t, int, int))
ABI_OP(reg_mr, struct ibv_mr*, (struct ibv_pd*, void*, size_t, uint64_t, int))
ABI_OP(req_notify_cq, int, (struct ibv_cq*, int))

ABI_FUNCTION(__verbs_log, void, (struct verbs_context*, uint32_t, const char*, ...))
ABI_FUNCTION(_verbs_init_and_alloc_context, void*,
             (struct ibv_device*, int, size_t, struct verbs_context*, uint32_t))
ABI_FUNCTION(verbs_uninit_context, void, (struct verbs_context*))
ABI_FUNCTION(verbs_set_ops, void, (struct verbs_context*, const struct verbs_context_ops*))
ABI_FUNCTION(verbs_init_cq, void,
             (struct ibv_cq*, struct ibv_context*, struct ibv_comp_channel*, void*))
ABI_FUNCTION(ibv_cmd_query_device_any, int,
             (struct ibv_context*, const struct ibv_query_device_ex_input*,
              struct ibv_device_attr_ex*, size_t, struct ib_uverbs_ex_query_device_resp*, size_t*))
ABI_FUNCTION(ibv_cmd_query_port, int,
             (struct ibv_context*, uint8_t, struct ibv_port_attr*, struct ibv_query_port*, size_t))
ABI_FUNCTION(ibv_cmd_alloc_pd, int,
             (struct ibv_context*, struct ibv_pd*, struct ibv_alloc_pd*, size_t,
              struct ib_uverbs_alloc_pd_resp*, size_t))
ABI_FUNCTION(ibv_cmd_dealloc_pd, int, (struct ibv_pd*))
ABI_FUNCTION(ibv_cmd_reg_mr, int,
             (struct ibv_pd*, void*, size_t, uint64_t, int, struct verbs_mr*, struct ibv_reg_mr*,
              size_t, struct ib_uverbs_reg_mr_resp*, size_t))
ABI_FUNCTION(ibv_cmd_reg_dmabuf_mr, int,
             (struct ibv_pd*, uint64_t, size_t, uint64_t, int, int, struct verbs_mr*,
              struct ibv_command_buffer*))
ABI_FUNCTION(ibv_cmd_dereg_mr, int, (struct verbs_mr*))
ABI_FUNCTION(ibv_cmd_destroy_cq, int, (struct ibv_cq*))
ABI_FUNCTION(ibv_cmd_create_qp_ex, int,
             (struct ibv_context*, struct verbs_qp*, struct ibv_qp_init_attr_ex*,
              struct ibv_create_qp*, size_t, struct ib_uverbs_create_qp_resp*, size_t))
ABI_FUNCTION(ibv_cmd_query_qp, int,
             (struct ibv_qp*, struct ibv_qp_attr*, int, struct ibv_qp_init_attr*,
              struct ibv_query_qp*, size_t))
ABI_FUNCTION(ibv_cmd_modify_qp, int,
             (struct ibv_qp*, struct ibv_qp_attr*, int, struct ibv_modify_qp*, size_t))
ABI_FUNCTION(ibv_cmd_destroy_qp, int, (struct ibv_qp*))
ABI_FUNCTION(ibv_cmd_create_ah, int,
             (struct ibv_pd*, struct ibv_ah*, struct ibv_ah_attr*, struct ib_uverbs_create_ah_resp*,
              size_t))
ABI_FUNCTION(ibv_cmd_destroy_ah, int, (struct ibv_ah*))

#if EFA_IBVERBS_RELEASE == 65
ABI_OP(create_comp_cntr, struct ibv_comp_cntr*,
       (struct ibv_context*, struct ibv_comp_cntr_init_attr*))
ABI_OP(destroy_comp_cntr, int, (struct ibv_comp_cntr*))
ABI_OP(inc_comp_cntr, int, (struct ibv_comp_cntr*, uint64_t))
ABI_OP(inc_err_comp_cntr, int, (struct ibv_comp_cntr*, uint64_t))
ABI_OP(qp_attach_comp_cntr, int,
       (struct ibv_qp*, struct ibv_comp_cntr*, struct ibv_qp_attach_comp_cntr_attr*))
ABI_OP(query_comp_cntr_caps, int, (struct ibv_context*, struct ibv_comp_cntr_caps*, size_t))
ABI_OP(query_port_speed, int, (struct ibv_context*, uint32_t, uint64_t*))
ABI_OP(read_comp_cntr, int, (struct ibv_comp_cntr*, uint64_t*))
ABI_OP(read_err_comp_cntr, int, (struct ibv_comp_cntr*, uint64_t*))
ABI_OP(set_comp_cntr, int, (struct ibv_comp_cntr*, uint64_t))
ABI_OP(set_err_comp_cntr, int, (struct ibv_comp_cntr*, uint64_t))

ABI_FUNCTION(verbs_register_driver_65, void, (const struct verbs_device_ops*))
ABI_FUNCTION(ibv_cmd_get_context, int,
             (struct verbs_context*, struct ibv_get_context*, size_t, struct ibv_fd_arr*,
              struct ib_uverbs_get_context_resp*, size_t))
ABI_FUNCTION(ibv_cmd_create_cq_ex, int,
             (struct ibv_context*, const struct ibv_cq_init_attr_ex*,
              struct verbs_create_cq_prov_attr*, struct verbs_cq*, struct ibv_create_cq_ex*, size_t,
              struct ib_uverbs_ex_create_cq_resp*, size_t, uint32_t))
ABI_FUNCTION(ibv_cmd_query_port_speed, int, (struct ibv_context*, uint32_t, uint64_t*))
ABI_FUNCTION(ibv_cmd_destroy_comp_cntr, int, (struct ibv_comp_cntr*))
ABI_FUNCTION(ibv_cmd_inc_comp_cntr, int, (struct ibv_comp_cntr*, uint64_t))
ABI_FUNCTION(ibv_cmd_inc_err_comp_cntr, int, (struct ibv_comp_cntr*, uint64_t))
ABI_FUNCTION(ibv_cmd_set_comp_cntr, int, (struct ibv_comp_cntr*, uint64_t))
ABI_FUNCTION(ibv_cmd_set_err_comp_cntr, int, (struct ibv_comp_cntr*, uint64_t))
ABI_FUNCTION(ibv_cmd_qp_attach_comp_cntr, int,
             (struct ibv_qp*, struct ibv_comp_cntr*, struct ibv_qp_attach_comp_cntr_attr*))
ABI_FUNCTION(ibv_cmd_query_comp_cntr_caps, int,
             (struct ibv_context*, struct ibv_comp_cntr_caps*, size_t))

ABI_VALUE(UVERBS_OBJECT_COMP_CNTR, uverbs::kObjectCompCntr)
ABI_VALUE(UVERBS_ATTR_CREATE_CQ_BUFFER_LENGTH, uverbs::kCreateCqBufferLength)
ABI_VALUE(UVERBS_ATTR_CREATE_CQ_BUFFER_FD, uverbs::kCreateCqBufferFd)
ABI_VALUE(UVERBS_ATTR_CREATE_CQ_BUFFER_OFFSET, uverbs::kCreateCqBufferOffset)
ABI_VALUE(IB_UVERBS_BUFFER_TYPE_DMABUF, uverbs::BufferDescriptor::kDmabuf)
ABI_VALUE(IB_UVERBS_BUFFER_TYPE_VA, uverbs::BufferDescriptor::kVa)
ABI_SIZE(struct ib_uverbs_buffer_desc, uverbs::BufferDescriptor)
ABI_MEMBER(struct ib_uverbs_buffer_desc, type, uverbs::BufferDescriptor, type)
ABI_MEMBER(struct ib_uverbs_buffer_desc, fd, uverbs::BufferDescriptor, fd)
ABI_MEMBER(struct ib_uverbs_buffer_desc, flags, uverbs::BufferDescriptor, flags)
ABI_MEMBER(struct ib_uverbs_buffer_desc, optional_flags, uverbs::BufferDescriptor, optional_flags)
ABI_MEMBER(struct ib_uverbs_buffer_desc, addr, uverbs::BufferDescriptor, addr)
ABI_MEMBER(struct ib_uverbs_buffer_desc, length, uverbs::BufferDescriptor, length)
#else
ABI_FUNCTION(verbs_register_driver_34, void, (const struct verbs_device_ops*))
ABI_FUNCTION(ibv_cmd_get_context, int,
             (struct verbs_context*, struct ibv_get_context*, size_t,
              struct ib_uverbs_get_context_resp*, size_t))
ABI_FUNCTION(ibv_cmd_create_cq_ex, int,
             (struct ibv_context*, const struct ibv_cq_init_attr_ex*, struct verbs_cq*,
              struct ibv_create_cq_ex*, size_t, struct ib_uverbs_ex_create_cq_resp*, size_t,
              uint32_t))
#endif
