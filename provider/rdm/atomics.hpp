// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the responder does to memory for an atomic operation (spec efa-rdm-protocol 10.6, 11.10;
// libfabric-api M11): every datatype and operation of libfabric's table, fi_atomic(3).
//
// libfabric's own providers refuse the types of 16 and 32 bytes in Debian's builds; these are done
// here too. Datatypes and operations are fi_datatype and fi_op, but any number may be given, as it
// came from a peer or from an application: an enum must not hold those. Equality is that of C: NaN
// equals nothing, and 0.0 equals -0.0.
#ifndef EFA_PROVIDER_RDM_ATOMICS_HPP
#define EFA_PROVIDER_RDM_ATOMICS_HPP

#include <rdma/fabric.h>
#include <rdma/fi_atomic.h>

#include <cstddef>
#include <cstdint>

#include "wire/choose.hpp"

namespace efa::rdm {

// Bytes of one element; 0 for 128-bit integers and all that is no datatype of atomics.
std::size_t atomic_size(std::uint32_t datatype);

// Whether this operation exists for this datatype in this form (fi_atomic(3)): bit operations only
// for integers, order only for what has one, FI_ATOMIC_READ only as a fetch, swaps only as a
// compare.
bool atomic_valid(AtomicForm form, std::uint32_t datatype, std::uint32_t op);

// Whether applications may ask for it. Elements of more than 8 bytes are taken from peers and never
// sent: upstream's provider does not offer them, and ends with a segmentation fault when one comes.
bool atomic_offered(AtomicForm form, std::uint32_t datatype, std::uint32_t op);

// Applies the operation to COUNT elements, one after the other. Nothing is done if it is not valid.
//
// Elements of up to 8 bytes that are aligned are changed atomically for all threads and processes
// that use atomic instructions; all others only for those that come through here under one lock.
//
// TARGET   the memory, at any address.
// OPERAND  COUNT elements at any address; unused by FI_ATOMIC_READ, may be null then.
// COMPARE  the same for the form compare; else unused, may be null.
// RESULT   room for COUNT elements at any address: the values before the operation, for the forms
//          fetch and compare. Null for the form write.
void atomic_apply(AtomicForm form, std::uint32_t datatype, std::uint32_t op, std::byte* target,
                  const std::byte* operand, const std::byte* compare, std::byte* result,
                  std::size_t count);

}  // namespace efa::rdm

#endif
