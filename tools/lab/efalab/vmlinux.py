# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The uncompressed kernel inside a bzImage: QEMU starts it directly, which halves the boot (spec lab 2)."""

import lzma
import struct
import subprocess

from .failure import LabError

# Linux boot protocol: offsets in the setup header.
SETUP_SECTORS, MAGIC, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1F1, 0x202, 0x248, 0x24C
XZ, ZSTD = b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"


def cut_out(image):
    """The bytes of vmlinux in the bzImage IMAGE (a path)."""
    data = image.read_bytes()
    if data[MAGIC:MAGIC + 4] != b"HdrS":
        raise LabError(f"{image} is no bzImage: it has no boot protocol header")
    start = (data[SETUP_SECTORS] + 1) * 512
    offset, length = struct.unpack_from("<II", data, PAYLOAD_OFFSET)
    payload = data[start + offset:start + offset + length]
    # The last four bytes are the unpacked size, outside the compressed stream.
    kernel = _decompress(image, payload[:-4])
    if kernel[:4] != b"\x7fELF":
        raise LabError(f"the payload of {image} is no ELF file")
    return kernel


def _decompress(image, payload):
    if payload.startswith(XZ):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(ZSTD):
        return subprocess.run(["zstd", "-dcq"], input=payload, stdout=subprocess.PIPE, check=True,
                              timeout=120).stdout
    raise LabError(f"{image}: unknown compression, it starts with {payload[:6].hex()}; xz and zstd are known")
