"""Writes PNG files, for decode.py and make.py."""

import struct
import zlib


def png(samples, extra=()):
    """The file of samples [height, width, channels] of 8 bits, or of 16 bits with the higher byte first."""
    height, width, channels = samples.shape
    depth = 8 * samples.dtype.itemsize
    rows = b"".join(b"\0" + row.tobytes() for row in samples)

    def part(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = part(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0))
    extra = b"".join(part(kind, body) for kind, body in extra)
    return b"\x89PNG\r\n\x1a\n" + head + extra + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")
