// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Two builds of the driver in turns on one device: insmod until the device is registered, and how
/// often a second each kind of object is created and destroyed. In a guest of the lab, as root,
/// with ib_uverbs loaded and no efa driver; tests/bench/driver_bench.py starts it and reads the
/// lines:
///
///     DRIVER load MICROSECONDS
///     DRIVER OBJECT PER_SECOND
///
/// or, where instruction_counter.c measures each insmod and each creation and destruction:
///
///     DRIVER load
///     DRIVER OBJECT
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "uverbs.hpp"

namespace efa::raw {
namespace {

constexpr std::size_t kGibibyte = std::size_t{1} << 30, kMebibyte = 1 << 20, kPage = 4096;
constexpr double kSlice = 0.1, kLoadLimit = 30;  // seconds
constexpr unsigned kCycles = 100;                // that are counted in a round

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void must(int error, const std::string& what) {
  if (error != 0) throw std::runtime_error(what + ": " + std::strerror(error));
}

/// Memory that is there: written once.
std::uint8_t* memory(std::size_t bytes, int flags, int advice) {
  void* at =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  must(at == MAP_FAILED ? errno : 0,
       std::to_string(bytes) + " bytes of memory; huge pages need vm.nr_hugepages");
  if (advice != 0) must(::madvise(at, bytes, advice) != 0 ? errno : 0, "madvise");
  auto* first = static_cast<std::uint8_t*>(at);
  for (std::size_t i = 0; i < bytes; i += kPage) first[i] = 1;
  return first;
}

struct Driver {
  std::string name, file;
};

bool registered() {
  std::error_code none;
  const std::filesystem::directory_iterator devices("/sys/class/infiniband", none);
  return devices != std::filesystem::directory_iterator();
}

/// Seconds from the system call until sysfs shows the device.
double load(const Driver& driver) {
  const int file = ::open(driver.file.c_str(), O_RDONLY | O_CLOEXEC);
  must(file < 0 ? errno : 0, driver.file);
  const double start = now();
  must(::syscall(SYS_finit_module, file, "", 0) != 0 ? errno : 0, "insmod " + driver.file);
  while (!registered())
    if (now() - start > kLoadLimit) throw std::runtime_error(driver.file + ": no device appears");
  const double took = now() - start;
  ::close(file);
  return took;
}

void unload() {
  must(::syscall(SYS_delete_module, "efa", O_NONBLOCK) != 0 ? errno : 0, "rmmod efa");
}

/// What is made and destroyed again in the measured time.
struct Object {
  const char* name;
  unsigned batch;  ///< so many between two looks at the clock
  std::function<void()> cycle;
};

double per_second(const Object& object) {
  object.cycle();  // the first touches everything
  const double start = now();
  unsigned long count = 0;
  do {
    for (unsigned i = 0; i < object.batch; ++i) object.cycle();
    count += object.batch;
  } while (now() - start < kSlice);
  return static_cast<double>(count) / (now() - start);
}

class Bench {
 public:
  Bench() {
    must(session_.alloc_pd(pd_), "ALLOC_PD");
    cq_request_.device.num_sub_cqs = session_.limits().sub_cqs_per_cq;
    must(session_.create_cq(cq_request_, cq_), "CREATE_CQ");
  }

  void pd() {
    Pd pd;
    must(session_.alloc_pd(pd), "ALLOC_PD");
    must(session_.destroy(UVERBS_OBJECT_PD, pd.handle), "DEALLOC_PD");
  }
  void ah() {
    AddressHandle ah;
    must(session_.create_ah(pd_, session_.gid(), ah), "CREATE_AH");
    must(session_.destroy(UVERBS_OBJECT_AH, ah.handle), "DESTROY_AH");
  }
  void cq() {
    CqAnswer cq;
    must(session_.create_cq(cq_request_, cq), "CREATE_CQ");
    must(session_.destroy(UVERBS_OBJECT_CQ, cq.handle), "DESTROY_CQ");
  }
  void qp() {
    QpAnswer qp;
    must(session_.create_qp(QpRequest{}, pd_, cq_, cq_, qp), "CREATE_QP");
    must(session_.destroy(UVERBS_OBJECT_QP, qp.handle), "DESTROY_QP");
  }
  void mr(const void* start, std::size_t bytes) {
    Mr mr;
    must(session_.reg_mr(pd_, start, bytes, kLocalWrite, mr), "REG_MR of " + std::to_string(bytes));
    must(session_.destroy(UVERBS_OBJECT_MR, mr.handle), "DEREG_MR");
  }

 private:
  Session session_;
  Pd pd_;
  CqRequest cq_request_;
  CqAnswer cq_;
};

/// Memory to register, of small pages and of huge ones.
struct Buffers {
  const std::uint8_t* small = memory(kGibibyte, 0, MADV_NOHUGEPAGE);
  const std::uint8_t* huge = memory(kGibibyte, MAP_HUGETLB, 0);
};

std::vector<Object> objects(Bench& bench, const Buffers& buffers) {
  return {
      {"PD", 16, [&] { bench.pd(); }},
      {"AH", 16, [&] { bench.ah(); }},
      {"CQ", 4, [&] { bench.cq(); }},
      {"QP", 4, [&] { bench.qp(); }},
      {"MR-4KiB", 16, [&] { bench.mr(buffers.small, kPage); }},
      {"MR-1MiB", 4, [&] { bench.mr(buffers.small, kMebibyte); }},
      {"MR-1GiB", 1, [&] { bench.mr(buffers.small, kGibibyte); }},
      {"MR-1GiB-huge", 1, [&] { bench.mr(buffers.huge, kGibibyte); }},
  };
}

/// One look at every kind of object under the loaded driver.
void measure_objects(const Driver& driver, const Buffers& buffers) {
  Bench bench;
  for (const Object& object : objects(bench, buffers)) {
    std::printf("%s %s %.3f\n", driver.name.c_str(), object.name, per_second(object));
    std::fflush(stdout);
  }
}

/// The marks of instruction_counter.c around what is counted, then its name.
void count(const Driver& driver, const char* name, const std::function<void()>& counted) {
  asm volatile("nopl 0x0efa0001(%%rax)" ::: "memory");
  counted();
  asm volatile("nopl 0x0efa0000(%%rax)" ::: "memory");
  std::printf("%s %s\n", driver.name.c_str(), name);
}

void count_objects(const Driver& driver, const Buffers& buffers) {
  Bench bench;
  for (const Object& object : objects(bench, buffers)) {
    object.cycle();
    for (unsigned i = 0; i < (object.batch == 1 ? 3 : kCycles); ++i)
      count(driver, object.name, object.cycle);
  }
}

int count_instructions(unsigned rounds, unsigned loads, std::vector<Driver> drivers) {
  const Buffers buffers;
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned i = 0; i < loads; ++i)
      for (const Driver& driver : drivers) {
        count(driver, "load", [&] { load(driver); });
        unload();
      }
    for (const Driver& driver : drivers) {
      load(driver);
      count_objects(driver, buffers);
      unload();
    }
    std::reverse(drivers.begin(), drivers.end());
  }
  return 0;
}

int measure_times(unsigned rounds, unsigned loads, std::vector<Driver> drivers) {
  const Buffers buffers;
  for (const Driver& driver : drivers) {  // the kernel's caches are warm from then on
    load(driver);
    unload();
  }
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned i = 0; i < loads; ++i)
      for (const Driver& driver : drivers) {
        std::printf("%s load %.1f\n", driver.name.c_str(), load(driver) * 1e6);
        unload();
      }
    for (const Driver& driver : drivers) {
      load(driver);
      measure_objects(driver, buffers);
      unload();
    }
    std::reverse(drivers.begin(), drivers.end());  // neither is always first
  }
  return 0;
}

}  // namespace
}  // namespace efa::raw

int main(int argc, char** argv) {
  const std::string what = argc == 6 ? argv[1] : "";
  if (what != "times" && what != "instructions") {
    std::fprintf(
        stderr,
        "usage: driver_bench times|instructions ROUNDS LOADS_PER_ROUND OURS.ko THEIRS.ko\n");
    return 2;
  }
  try {
    const auto run = what == "times" ? efa::raw::measure_times : efa::raw::count_instructions;
    return run(static_cast<unsigned>(std::atoi(argv[2])), static_cast<unsigned>(std::atoi(argv[3])),
               {{"own", argv[4]}, {"stock", argv[5]}});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "driver_bench: %s\n", error.what());
    return 1;
  }
}
