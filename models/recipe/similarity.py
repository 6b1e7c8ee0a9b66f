"""Multi-scale structural similarity (Wang, Simoncelli and Bovik 2003) of 8-bit RGB pictures."""

import torch
import torch.nn.functional as F

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights of the scales, the finest first
WINDOW, SIGMA = 11, 1.5
LEAST_SIDE = WINDOW * 2 ** (len(WEIGHTS) - 1)  # shortest side of a picture that has all scales


def blur(x: torch.Tensor) -> torch.Tensor:
    """Computes the Gaussian mean around each position that has a complete window; x is [N, 1, H, W]."""
    at = torch.arange(WINDOW, dtype=x.dtype) - WINDOW // 2
    window = torch.exp(-at.square() / (2 * SIGMA**2))
    window = window / window.sum()
    return F.conv2d(F.conv2d(x, window.view(1, 1, 1, -1)), window.view(1, 1, -1, 1))


def ms_ssim(a: torch.Tensor, b: torch.Tensor) -> float:
    """Returns the mean over the three channels; a and b are [H, W, 3] from 0 to 255 with sides of at least LEAST_SIDE."""
    a, b = (t.float().permute(2, 0, 1)[:, None] for t in (a, b))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        mean_a, mean_b, aa, bb, ab = blur(torch.cat([a, b, a * a, b * b, a * b])).split(len(a))
        both = mean_a * mean_b
        squares = mean_a.square() + mean_b.square()
        kept = (2 * (ab - both) + c2) / (aa + bb - squares + c2)
        if scale == len(WEIGHTS) - 1:
            kept = kept * (2 * both + c1) / (squares + c1)
        product = product * kept.mean((1, 2, 3)).clamp_min(0) ** weight
    return product.mean().item()
