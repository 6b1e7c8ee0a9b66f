"""BLAKE3 of bytes in memory, over many chunks at once. It stands for a library, so that numpy and zstandard suffice."""

import numpy as np

IV = np.array([0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19],
              np.uint32)
PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
COLUMNS_AND_DIAGONALS = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8


def compress(cv, words, counter, length, flags):
    """The compression function on n blocks: cv [8, n], words [16, n], counter [n]; gives the new cv [8, n]."""
    n = words.shape[1]
    low = (counter & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    high = (counter >> np.uint64(32)).astype(np.uint32)
    v = list(cv) + [np.full(n, IV[i], np.uint32) for i in range(4)]
    v += [low, high, np.full(n, length, np.uint32), np.full(n, flags, np.uint32)]

    def turn(x, bits):
        return (x >> np.uint32(bits)) | (x << np.uint32(32 - bits))

    order = list(range(16))
    for _ in range(7):
        for i, (a, b, c, d) in enumerate(COLUMNS_AND_DIAGONALS):
            v[a] = v[a] + v[b] + words[order[2 * i]]
            v[d] = turn(v[d] ^ v[a], 16)
            v[c] = v[c] + v[d]
            v[b] = turn(v[b] ^ v[c], 12)
            v[a] = v[a] + v[b] + words[order[2 * i + 1]]
            v[d] = turn(v[d] ^ v[a], 8)
            v[c] = v[c] + v[d]
            v[b] = turn(v[b] ^ v[c], 7)
        order = [order[p] for p in PERMUTATION]
    return np.array([v[i] ^ v[i + 8] for i in range(8)])


def blake3(data):
    """The 32-byte BLAKE3 of `data`."""
    data = bytes(data)
    whole = max(0, (len(data) - 1) // 1024)  # chunks before the last
    nodes = []
    for first, count, part in ((0, whole, data[:whole * 1024]), (whole, 1, data[whole * 1024:])):
        if count == 0:
            continue
        size = 1024 if first == 0 and count == whole and whole else len(part)
        blocks = max(1, -(-size // 64))
        padded = np.zeros((count, blocks * 64), np.uint8)
        padded[:, :size] = np.frombuffer(part, np.uint8).reshape(count, size)
        words = padded.view("<u4").astype(np.uint32).reshape(count, blocks, 16)
        counter = np.arange(first, first + count, dtype=np.uint64)
        cv = np.repeat(IV[:, None], count, axis=1)
        for i in range(blocks):
            flags = (CHUNK_START if i == 0 else 0) | (CHUNK_END if i == blocks - 1 else 0)
            flags |= ROOT if i == blocks - 1 and whole == 0 else 0
            cv = compress(cv, words[:, i].T, counter, min(64, size - 64 * i) if size else 0, flags)
        nodes.append(cv)
    level = np.concatenate(nodes, axis=1)
    while level.shape[1] > 1:
        pairs = level.shape[1] // 2
        words = level[:, :2 * pairs].reshape(8, pairs, 2).transpose(2, 0, 1).reshape(16, pairs)
        flags = PARENT | (ROOT if level.shape[1] == 2 else 0)
        cv = compress(np.repeat(IV[:, None], pairs, axis=1), words, np.zeros(pairs, np.uint64), 64, flags)
        level = np.concatenate([cv, level[:, 2 * pairs:]], axis=1)
    return level[:, 0].astype("<u4").tobytes()
