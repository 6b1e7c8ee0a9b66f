"""Frequency tables of the entropy coder (docs/format.md, section 6) and their cost in bits."""

import heapq
import math

import numpy as np

TOTAL = 4096
GAUSSIANS = 52
K_MAX = 127


def gaussian_tables() -> list[np.ndarray]:
    """Returns the tables of the levels 0..=51: normals of standard deviation 2^((level - 26) / 8) in integer bins."""
    return [best_table(normal(sigma(level))) for level in range(GAUSSIANS)]


def sigma(level: int) -> float:
    """Returns the standard deviation of a level."""
    return 2 ** ((level - 26) / 8)


def normal(sigma: float) -> np.ndarray:
    """Returns the probabilities of -K_MAX..=K_MAX."""
    edges = (np.arange(2 * K_MAX + 2) - K_MAX - 0.5) / (sigma * math.sqrt(2))
    # erfc of the far side keeps the digits of the tails, which a difference of erf near 1 would lose.
    lower = np.array([math.erfc(-e) / 2 for e in edges])
    upper = np.array([math.erfc(e) / 2 for e in edges])
    left = edges[1:] <= 0
    return np.where(left, np.diff(lower), -np.diff(upper))


def best_table(p: np.ndarray) -> np.ndarray:
    """Returns the table, with any K, that minimises the expected bits for the probabilities p of -K_MAX..=K_MAX."""
    width = len(p) // 2
    escape_bits = np.array([1 + 2 * int(e + 1).bit_length() - 1 for e in range(width + 1)])
    best = (math.inf, None)
    worse = 0
    for k in range(width + 1):
        inner = p[width - k : width + k + 1]
        outer = p[width + k + 1 :] + p[: width - k][::-1]
        escape = max(outer.sum(), 1 - p.sum(), 1e-9)
        table = apportion(np.append(inner, escape))
        cost = -(np.append(inner, escape) * np.log2(table / TOTAL)).sum()
        cost += (outer * escape_bits[: len(outer)]).sum()
        worse = 0 if cost < best[0] else worse + 1
        best = min(best, (cost, table), key=lambda b: b[0])
        if worse > 8:
            break
    return best[1]


def apportion(p: np.ndarray) -> np.ndarray:
    """Returns frequencies of at least 1 that add up to TOTAL and have the least cross-entropy."""
    p = np.maximum(p / p.sum(), 1e-12)
    f = np.maximum((p * TOTAL).astype(np.int64), 1)
    short = TOTAL - int(f.sum())
    if short > 0:  # give units to the symbols for which they save most
        heap = [(-v * math.log2((n + 1) / n), i) for i, (v, n) in enumerate(zip(p, f))]
    else:  # take units from the symbols for which this costs least
        heap = [(v * math.log2(n / (n - 1)), i) for i, (v, n) in enumerate(zip(p, f)) if n > 1]
    heapq.heapify(heap)
    for _ in range(abs(short)):
        _, i = heapq.heappop(heap)
        f[i] += 1 if short > 0 else -1
        if short > 0:
            heapq.heappush(heap, (-p[i] * math.log2((f[i] + 1) / f[i]), i))
        elif f[i] > 1:
            heapq.heappush(heap, (p[i] * math.log2(f[i] / (f[i] - 1)), i))
    return f


def value_bits(table: np.ndarray, reach: int) -> np.ndarray:
    """Returns the bits of each value -reach..=reach, including escapes and their raw bits."""
    k = len(table) // 2 - 1
    v = np.abs(np.arange(-reach, reach + 1))
    e = np.maximum(v - k - 1, 0)
    n = np.floor(np.log2(e + 1))
    escaped = -math.log2(table[-1] / TOTAL) + 1 + 2 * n + 1
    inside = np.arange(-reach, reach + 1) + k
    coded = -np.log2(table[np.clip(inside, 0, 2 * k)] / TOTAL)
    return np.where(v <= k, coded, escaped)


def z_bits(z: np.ndarray, z_tables: list[np.ndarray]) -> float:
    """Returns the bits of hyper-latents [positions, Z]."""
    return sum(value_bits(t, K_MAX)[z[:, c] + K_MAX].sum() for c, t in enumerate(z_tables))


def symbol_bits(gaussians: list[np.ndarray], level, symbol, skip_below: int) -> float:
    """Returns the bits of symbols at their levels, int arrays of the same shape; skipped symbols cost nothing."""
    table, high, k = split(level, symbol, skip_below)
    reach = int(np.abs(high).max(initial=0))
    costs = np.stack([value_bits(t, reach) for t in gaussians])
    return float(costs[table, high + reach].sum() + k.sum())


def split(level, symbol, skip_below: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns for each coded symbol its table, the value that is coded with the table, and the number of raw bits."""
    coded = level >= skip_below
    level, r = level[coded], symbol[coded]
    k = np.where(level >= GAUSSIANS, 1 + (level - GAUSSIANS) // 8, 0)
    table = np.where(level >= GAUSSIANS, 44 + (level - GAUSSIANS) % 8, level)
    return table, np.where(k > 0, (r + (1 << np.maximum(k - 1, 0))) >> k, r), k
