// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What all objects of the process share, from fi_prov_ini() to cleanup().
#pragma once

#include <infiniband/verbs.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "catalogue.hpp"
#include "objects/dump_signal.hpp"
#include "objects/settings.hpp"

namespace efa::fi {

struct Domain;
struct Fabric;

/// Devices that domains have open, each once. Thread-safe.
class OpenDevices {
 public:
  /// Null: errno says why.
  ibv_context* acquire(const std::string& name);
  void release(const std::string& name);

 private:
  struct Counted {
    ibv_context* context = nullptr;
    size_t references = 0;
  };
  std::mutex lock_;
  std::map<std::string, Counted> open_;
};

/// Fabrics and domains that the application has open: fi_getinfo() shows them. Thread-safe.
class OpenObjects {
 public:
  void add(Fabric& fabric);
  void remove(Fabric& fabric);
  void add(Domain& domain);
  void remove(Domain& domain);

  /// Puts the open fabric and domain of an entry into it. @returns false: the hints name an open
  /// object that is not this entry's (spec libfabric-api 3.1, step 9)
  bool enter(fi_info& entry, const fi_info* hints);

 private:
  std::mutex lock_;
  std::vector<Fabric*> fabrics_;
  std::vector<Domain*> domains_;
};

struct Process {
  Catalogue catalogue;
  Settings settings;
  OpenDevices devices;
  OpenObjects objects;
  DumpSignal dump_signal;
};

/// Valid from fi_prov_ini() to cleanup().
Process& process();

}  // namespace efa::fi
