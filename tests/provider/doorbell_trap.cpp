// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doorbell_trap.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace efa::provider_test {
namespace {

constexpr std::uintptr_t kPage = 4096;
constexpr greg_t kTrapFlag = 0x100;  // EFLAGS.TF: stop after the next instruction

struct State {
  std::array<std::byte*, 16> pages{};  ///< mappings of the doorbell's page
  std::size_t page_count = 0;
  std::function<void(const DoorbellTrap::Store&)> observe;
  std::array<DoorbellTrap::Store, 4096> stores;
  std::size_t count = 0;
  std::uint32_t* current = nullptr;
  struct sigaction old_fault, old_step;
};
State state;

std::byte* page_of(const void* address) {
  return reinterpret_cast<std::byte*>(reinterpret_cast<std::uintptr_t>(address) & ~(kPage - 1));
}

void protect(int rights) {
  for (std::size_t i = 0; i < state.page_count; ++i)
    if (::mprotect(state.pages[i], kPage, rights) != 0) std::abort();
}

bool trapped(const void* address) {
  const auto* end = state.pages.begin() + state.page_count;
  return std::find(state.pages.cbegin(), end, page_of(address)) != end;
}

void on_fault(int, siginfo_t* info, void* context) {
  if (!trapped(info->si_addr)) {
    ::signal(SIGSEGV, SIG_DFL);  // a real fault: happens again, now for good
    return;
  }
  state.current = static_cast<std::uint32_t*>(info->si_addr);
  protect(PROT_READ | PROT_WRITE);
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] |= kTrapFlag;
}

void on_step(int, siginfo_t*, void* context) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
  const auto offset = reinterpret_cast<std::uintptr_t>(state.current) & (kPage - 1);
  const DoorbellTrap::Store store{static_cast<std::uint32_t>(offset),
                                  __atomic_load_n(state.current, __ATOMIC_RELAXED)};
  if (state.count < state.stores.size()) state.stores[state.count++] = store;
  if (state.observe) state.observe(store);
  protect(PROT_NONE);
}

void install(int signal, void (*handler)(int, siginfo_t*, void*), struct sigaction& old) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigaction(signal, &action, &old);
}

}  // namespace

DoorbellTrap::DoorbellTrap(const Doorbell& doorbell, std::function<void(const Store&)> observe)
    : offset_(doorbell.offset) {
  state.page_count = 0;
  for (const Mapping& mapping : mappings())
    if (mapping.fd == doorbell.fd && mapping.key == doorbell.page)
      state.pages.at(state.page_count++) = mapping.address;
  if (state.page_count == 0) throw std::runtime_error("there is no doorbell to trap");
  state.observe = std::move(observe);
  state.count = 0;
  install(SIGSEGV, on_fault, state.old_fault);
  install(SIGTRAP, on_step, state.old_step);
  protect(PROT_NONE);
}

DoorbellTrap::~DoorbellTrap() {
  protect(PROT_READ | PROT_WRITE);
  ::sigaction(SIGSEGV, &state.old_fault, nullptr);
  ::sigaction(SIGTRAP, &state.old_step, nullptr);
  state.page_count = 0;
  state.observe = nullptr;
}

std::vector<std::uint32_t> DoorbellTrap::values() const {
  std::vector<std::uint32_t> values;
  for (std::size_t i = 0; i < state.count; ++i)
    if (state.stores[i].offset == offset_) values.push_back(state.stores[i].value);
  return values;
}

}  // namespace efa::provider_test
