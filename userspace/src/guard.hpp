// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Whether this library may work with the libibverbs of the process.
#pragma once

namespace efa {

/// Compares the release in the file name of the mapped libibverbs with the one built for. The
/// private interface gives 44 and 56 one version number though their layouts differ, so a wrong
/// pair loads and then corrupts memory (spec verbs F3). Says on standard error what is wrong: there
/// is no context yet whose logger could.
bool libibverbs_fits();

/// The release number in a path like /usr/lib/libibverbs.so.1.14.44.0. @returns 44, or 0 if the
/// name has none
int release_in_name(const char* path);

}  // namespace efa
