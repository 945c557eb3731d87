#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Asks the kernel's own headers which form of each interface they offer and writes the
# answers to OUT (efa_config.h). Vendors move features between releases, so version numbers are
# not asked. One preprocessor run answers everything: about a second.
#
# usage: configure.sh OUT COMPILER [FLAGS...]      (called by Kbuild)
# A kernel that cannot run the driver gets one sentence on standard output, and no OUT.
set -u

out=$1
shift
work=$out.probe

unfit()
{
	rm -f "$work".* "$out"
	echo "This kernel cannot run the efa driver: $*"
	exit 0
}

# Nothing to do if neither the kernel nor the compiler nor this script changed.
asked="$*"
if [ -f "$out" ] && [ "$(cat "$out.asked" 2>/dev/null)" = "$asked" ] &&
	[ -z "$(find "$0" -newer "$out.asked")" ]; then
	exit 0
fi

mkdir -p "$(dirname "$out")"
cat > "$work.c" <<'PROBE'
#include <linux/kconfig.h>
#include <linux/pci.h>
#include <rdma/ib_verbs.h>
#include <rdma/ib_umem.h>
#include <rdma/uverbs_ioctl.h>
#include <rdma/uverbs_std_types.h>
#define EFA_ASK(option) efa_option option = IS_ENABLED(CONFIG_##option);
EFA_ASK(64BIT)
EFA_ASK(CPU_LITTLE_ENDIAN)
EFA_ASK(X86_64)
EFA_ASK(PCI_MSI)
EFA_ASK(INFINIBAND)
EFA_ASK(INFINIBAND_USER_ACCESS)
EFA_ASK(INFINIBAND_USER_MEM)
EFA_ASK(CRC16)
PROBE
"$@" -DKBUILD_MODNAME='"efa"' -E -P -o "$work.raw" "$work.c" 2> "$work.log" ||
	unfit "its headers do not pass the preprocessor: $(grep -m 1 'error:' "$work.log")"
tr '\t\n' '  ' < "$work.raw" | tr -s ' ' > "$work.txt"

has() # PATTERN: does it occur in the headers?
{
	grep -q -- "$1" "$work.txt"
}

need() # PATTERN SENTENCE
{
	has "$1" || unfit "$2"
}

option() # NAME REMEDY
{
	has "efa_option $1 = [^;]*1" || unfit "it was built without CONFIG_$1; $2"
}

option 64BIT "a 64-bit kernel is needed."
has "efa_option X86_64 = [^;]*1" || option CPU_LITTLE_ENDIAN "EFA exists on little-endian hosts only."
option PCI_MSI "EFA signals by MSI-X."
option INFINIBAND "install a kernel with RDMA support."
option INFINIBAND_USER_ACCESS "EFA is used through ib_uverbs."
option INFINIBAND_USER_MEM "ib_umem is needed to pin memory."
option CRC16 "checksums of admin commands need it."
need 'disassociate_ucontext' "its RDMA core is older than 6.1."
need 'alloc_hw_device_stats' "its RDMA core is older than 6.1."
need 'ib_umem_dmabuf_get_pinned' "its RDMA core is older than 6.1."
need 'rdma_user_mmap_entry_insert' "its RDMA core is older than 6.1."

{
	echo "/* Written by compat/configure.sh; do not edit. */"
	echo "#ifndef EFA_CONFIG_H"
	echo "#define EFA_CONFIG_H"
	while read -r name pattern; do
		if has "$pattern"; then
			echo "#define EFA_HAVE_$name 1"
		fi
	done <<'QUESTIONS'
CREATE_USER_CQ (\*create_user_cq)(
CREATE_CQ_ATTRS (\*create_cq)(struct ib_cq \*cq, const struct ib_cq_init_attr \*attr, struct uverbs_attr_bundle
REG_MR_DMAH (\*reg_user_mr)([^)]*struct ib_dmah
REG_DMABUF_ATTRS (\*reg_user_mr_dmabuf)([^)]*struct uverbs_attr_bundle
QUERY_PORT_SPEED (\*query_port_speed)(
COMP_CNTR (\*create_comp_cntr)(
ROBUST_UDATA uverbs_robust_udata
UDATA_HELPERS _ib_copy_validate_udata_in(
UMEM_GET_VA ib_umem_get_va(
UMEM_IS_CONTIGUOUS ib_umem_is_contiguous(
CQ_BUFFER_ATTRS UVERBS_ATTR_CREATE_CQ_BUFFER_VA
SPEED_XDR IB_SPEED_XDR
SYSTEM_DFL_WQ system_dfl_wq
QUESTIONS
	echo "#endif"
} > "$work.h"
printf '%s\n' "$asked" > "$out.asked"
# Unchanged answers stay as they are, so that nothing is compiled again.
cmp -s "$work.h" "$out" || mv "$work.h" "$out"
rm -f "$work".*
