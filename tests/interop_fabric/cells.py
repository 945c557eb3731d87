# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What two providers have to do with each other: one row for each protocol and size border.

The sizes are where a sender takes another protocol (spec efa-rdm-protocol 10): what fits into one packet of
8928 bytes with its headers, 64 KiB, 1 MiB, each with what is next to it.
"""
import collections

# name; program and its arguments; environment of both sides; whether it is in the quick selection; fabric
Row = collections.namedtuple("Row", "name command environment quick fabric", defaults=["efa"])

DEVICE = {"FI_EFA_USE_DEVICE_RDMA": "1"}
EMULATED = {"FI_EFA_USE_DEVICE_RDMA": "0"}
TINY = "l:0,1,4,8,31,32,33,64"
PACKET = "r:8720,8,8920"
MEDIUM = "l:8929,16384,17856,17857,65528,65535,65536"
LONG = "l:65537,65544,131072,262143,1048575"
READ = "l:1048576,1048577,1052672,3145735"
RMA_EDGES = "l:1,8,4096,8840,8864,8896,8904,8928,65535,65536,65537,1048576,2097159"


def messages(semantic, option):
    """Rows of messages: with and without tags, all sizes."""
    for kind, program in (("message", "fi_rdm_pingpong"), ("tagged", "fi_rdm_tagged_pingpong")):
        for size_name, sizes, environment in (
                ("tiny", TINY, DEVICE), ("around one packet", PACKET, DEVICE), ("medium", MEDIUM, DEVICE),
                ("long, by CTS", LONG, DEVICE), ("long, by read", READ, DEVICE),
                ("1 MiB without device RDMA", READ, EMULATED)):
            quick = kind == "tagged" or size_name == "medium"
            yield Row(f"{kind}, {size_name}{semantic}", f"{program} -I 3 -v{option} -S {sizes}", environment, quick)


def remote_memory(semantic, option):
    """Rows of RMA, by the device and emulated."""
    for operation in ("write", "writedata", "read"):
        for how, environment in (("", DEVICE), (", emulated", EMULATED)):
            yield Row(f"{operation}{how}{semantic}",
                      f"fi_rma_bw -e rdm -o {operation} -I 3 -W 2 -v{option} -S {RMA_EDGES}", environment,
                      operation != "writedata" or not option)


def many():
    """Rows of traffic in numbers, and of matching."""
    # Types of up to 8 bytes: upstream has no others, and its process ends by a signal when it gets one.
    for kind in ("int8", "uint16", "int32", "uint64", "float", "double", "float_complex"):
        yield Row(f"atomics, every operation, {kind}", f"fi_rdm_atomic -I 3 -v -o all -z {kind}", DEVICE,
                  kind == "double")
    yield Row("atomics, every operation, int64, delivery complete", "fi_rdm_atomic -I 3 -v -U -o all -z int64",
              DEVICE, True)
    yield Row("stream of tagged messages", "fi_rdm_tagged_bw -I 200 -W 64 -v -S l:64,4096,16384,131072", DEVICE, True)
    yield Row("stream of small messages", "fi_rdm_bw -I 2000 -W 64 -S l:8,2048", DEVICE, False)
    for size in (64, 16384, 1048576):
        yield Row(f"unexpected messages of {size}", f"fi_unexpected_msg -e rdm -I 3 -M 32 -v -S {size}", DEVICE,
                  size == 16384)
    for size in (1024, 8192):
        yield Row(f"multi-receive, {size}", f"fi_multi_recv -e rdm -S {size} -v", DEVICE, size == 1024)
    yield Row("peek, claim, discard", "fi_rdm_tagged_peek", DEVICE, True)
    yield Row("completion data of sends", "fi_cq_data -e rdm -o senddata", DEVICE, True)
    yield Row("completion data of writes", "fi_cq_data -e rdm -o writedata", DEVICE, False)
    yield Row("counters", "fi_rdm_tagged_pingpong -I 3 -v -t counter -S l:8,65536,1048576", DEVICE, False)
    yield Row("cancelled receives", "fi_recv_cancel -e rdm -V", DEVICE, False)
    yield Row("flood of a slow receiver", "fi_flood -e rdm -v -T 1", DEVICE, False)


RESENT = {
    "eager": "-c 1 -S 4", "eager, tagged": "-c 1 -T -S 4", "medium": "-c 1 -S 16384",
    "long-CTS": "-c 1 -S 1048576", "CTS": "-c 0 -S 1048576", "receipt": "-c 0 -U -S 4",
    "eager write": "-c 1 -o write -S 4", "long-CTS write": "-c 1 -o write -S 1048576",
    "short read": "-c 1 -o read -S 4", "long-CTS read": "-c 1 -o read -S 1048576",
    "read response": "-c 0 -o read -S 4", "atomic response": "-c 0 -A read -S 4",
    "write atomic": "-c 1 -A write -S 4", "fetch atomic": "-c 1 -A read -S 4",
    "compare atomic": "-c 1 -A cswap -S 4", "delivery-complete medium": "-c 1 -U -S 16384",
    "delivery-complete long-CTS, tagged": "-c 1 -T -U -S 1048576",
    "delivery-complete write atomic": "-c 1 -A write -U -S 4",
}


def resent():
    """Rows of packets that the receiver was not ready for: each kind is sent again."""
    for name, options in RESENT.items():
        yield Row(f"no buffer for: {name}", f"fi_efa_rnr_queue_resend {options}", {},
                  name in ("medium", "CTS", "read response"))


def direct():
    """Rows of the fabric efa-direct, which libfabric 1.17 does not have."""
    yield Row("efa-direct, messages", "fi_rdm_pingpong -I 3 -v -S r:0,1024,8192", {}, True, "efa-direct")
    yield Row("efa-direct, completion data", "fi_cq_data -e rdm -o senddata", {}, False, "efa-direct")
    for operation in ("write", "writedata", "read"):
        yield Row(f"efa-direct, {operation}", f"fi_rma_bw -e rdm -o {operation} -I 3 -W 2 -v -U -S {RMA_EDGES}", {},
                  operation != "writedata", "efa-direct")


def rows():
    complete = ", delivery complete"
    return [*messages("", ""), *messages(complete, " -U"), *remote_memory("", ""),
            *remote_memory(complete, " -U"), *many(), *resent(), *direct()]
