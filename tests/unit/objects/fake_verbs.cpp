// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/fake_verbs.hpp"

#include <infiniband/efadv.h>

#include <cerrno>
#include <cstring>

namespace efa::fi::test {
namespace {

struct FakeAh : ibv_ah {
  uint16_t number = 0;
};

ibv_device device{};
ibv_device* devices[] = {&device, nullptr};
uint32_t next_key = 1;

}  // namespace

FakeVerbs& fake_verbs() {
  static FakeVerbs verbs;
  return verbs;
}

int FakeVerbs::take_failure(const std::string& function) {
  const auto found = fail_next.find(function);
  if (found == fail_next.end()) return 0;
  const int error = found->second;
  fail_next.erase(found);
  errno = error;
  return error;
}

}  // namespace efa::fi::test

using namespace efa::fi::test;

extern "C" {

ibv_device** ibv_get_device_list(int* count) {
  std::strcpy(device.name, "efa_0");
  if (count) *count = 1;
  return devices;
}
void ibv_free_device_list(ibv_device**) {}
const char* ibv_get_device_name(ibv_device* of) {
  return of->name;
}

ibv_context* ibv_open_device(ibv_device* of) {
  if (fake_verbs().take_failure("ibv_open_device")) return nullptr;
  ++fake_verbs().open_devices;
  auto* context = new ibv_context{};
  context->device = of;
  return context;
}
int ibv_close_device(ibv_context* context) {
  --fake_verbs().open_devices;
  delete context;
  return 0;
}

int ibv_query_device(ibv_context*, ibv_device_attr* attributes) {
  *attributes = {};
  attributes->max_mr_size = 1ULL << 40;
  return 0;
}

ibv_pd* ibv_alloc_pd(ibv_context* context) {
  if (fake_verbs().take_failure("ibv_alloc_pd")) return nullptr;
  ++fake_verbs().pds;
  return new ibv_pd{context, 0};
}
int ibv_dealloc_pd(ibv_pd* pd) {
  --fake_verbs().pds;
  delete pd;
  return 0;
}

ibv_ah* ibv_create_ah(ibv_pd* pd, ibv_ah_attr* attributes) {
  if (fake_verbs().take_failure("ibv_create_ah")) return nullptr;
  ++fake_verbs().ahs;
  auto* ah = new FakeAh{};
  ah->pd = pd;
  ah->number = attributes->grh.dgid.raw[15];  // so that tests know it
  return ah;
}
int ibv_destroy_ah(ibv_ah* ah) {
  --fake_verbs().ahs;
  delete static_cast<FakeAh*>(ah);
  return 0;
}
int efadv_query_ah(ibv_ah* ah, efadv_ah_attr* attributes, uint32_t) {
  if (const int error = fake_verbs().take_failure("efadv_query_ah")) return error;
  attributes->ahn = static_cast<FakeAh*>(ah)->number;
  return 0;
}

ibv_mr* ibv_reg_mr_iova2(ibv_pd* pd, void* address, size_t length, uint64_t, unsigned access) {
  if (fake_verbs().take_failure("ibv_reg_mr")) return nullptr;
  ++fake_verbs().mrs;
  fake_verbs().last_access = static_cast<int>(access);
  const uint32_t key = next_key++;
  return new ibv_mr{pd->context, pd, address, length, 0, key, key};
}
#undef ibv_reg_mr
ibv_mr* ibv_reg_mr(ibv_pd* pd, void* address, size_t length, int access) {
  return ibv_reg_mr_iova2(pd, address, length, 0, static_cast<unsigned>(access));
}
int ibv_dereg_mr(ibv_mr* mr) {
  --fake_verbs().mrs;
  delete mr;
  return 0;
}

}  // extern "C"
