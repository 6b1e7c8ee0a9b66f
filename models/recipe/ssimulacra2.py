"""SSIMULACRA 2 (Cloudinary and the JPEG XL project, version 2.1) of batches, differentiable.

Pictures are [N, H, W, 3], sRGB from 0 to 1. `errors` is the weighted sum that the score is computed from: 0 for equal
pictures, and about a sixth of the mean squared error (in 8-bit units) that the same encoder makes at the same quality.
"""

import torch
import torch.nn.functional as F

# Weights of the errors: for each channel and scale (finest first) the mean of SSIM, artefacts and lost detail, then
# their 4-norms. Those of the reference implementation.
WEIGHTS = torch.tensor((
    # X
    0.0, 0.0007376606707406586, 0.0, 0.0, 0.0007793481682867309, 0.0,
    0.0, 0.0004371155730107379, 0.0, 1.1041726426657346, 0.00066284834129271, 0.00015231632783718752,
    0.0, 0.0016406437456599754, 0.0, 1.8422455520539298, 11.441172603757666, 0.0,
    0.0007989109436015163, 0.000176816438078653, 0.0, 1.8787594979546387, 10.94906990605142, 0.0,
    0.0007289346991508072, 0.9677937080626833, 0.0, 0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053,
    0.0004550992113792063, 0.0, 0.0, 0.0013648766163243398, 0.0, 0.0,
    # Y
    0.0, 0.0, 0.0, 7.466890328078848, 0.0, 17.445833984131262,
    0.0006235601634041466, 0.0, 0.0, 6.683678146179332, 0.00037724407979611296, 1.027889937768264,
    225.20515300849274, 0.0, 0.0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985,
    176.39317598450694, 0.0, 0.0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408,
    0.0, 0.0, 0.0, 34.77906344483772, 44.835625328877896, 0.0,
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    # B
    0.0, 0.0008680556573291698, 0.0, 0.0, 0.0, 0.0,
    0.0, 0.0005313191874358747, 0.0, 0.00016533814161379112, 0.0, 0.0,
    0.0, 0.0, 0.0, 0.0004179171803251336, 0.0017290828234722833, 0.0,
    0.0020827005846636437, 0.0, 0.0, 8.826982764996862, 23.19243343998926, 0.0,
    95.1080498811086, 0.9863978034400682, 0.9834382792465353, 0.0012286405048278493, 171.2667255897307, 0.9807858872435379,
    0.0, 0.0, 0.0, 0.0005130064588990679, 0.0, 0.00010854057858411537,
)).view(3, 6, 2, 3)

OPSIN = torch.tensor((
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.5518098665095536),
))
OPSIN_BIAS = 0.0037930732552754493
SCALES = 6
LEAST_SIDE = 8  # of a scale that counts
RADIUS, SIGMA = 5, 1.5
C2 = 0.0009


def errors(original: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
    """Weighted sum of the errors of each picture, [N]. The gradient flows to `decoded` alone."""
    a, b = (linear(x.permute(0, 3, 1, 2)) for x in (original.detach(), decoded))
    weights = WEIGHTS.to(b.device)
    total = torch.zeros(len(b), device=b.device)
    for scale in range(SCALES):
        if scale:
            a, b = (F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (a, b))
        if min(a.shape[2:]) < LEAST_SIDE:
            break
        total = total + (scale_errors(xyb(a), xyb(b)) * weights[:, scale]).sum((1, 2, 3))
    return total


def score(errors: torch.Tensor) -> torch.Tensor:
    """The score of weighted errors: 100 for equal pictures, 90 for differences that are hard to see, 30 for low quality."""
    s = errors * 0.9562382616834844
    s = 2.326765642916932 * s - 0.020884521182843837 * s**2 + 6.248496625763138e-05 * s**3
    return torch.where(s > 0, 100 - 10 * s.clamp_min(1e-9) ** 0.6276336467831387, torch.full_like(s, 100.0))


def linear(x: torch.Tensor) -> torch.Tensor:
    """sRGB to linear light."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp_min(0.04) + 0.055) / 1.055) ** 2.4)


def xyb(rgb: torch.Tensor) -> torch.Tensor:
    """Linear [N, 3, H, W] to the XYB of JPEG XL, shifted so that it is positive."""
    lms = torch.einsum("oc,nchw->nohw", OPSIN.to(rgb.device), rgb) + OPSIN_BIAS
    l, m, s = (lms.clamp_min(1e-5) ** (1 / 3) - OPSIN_BIAS ** (1 / 3)).unbind(1)
    x, y = (l - m) / 2, (l + m) / 2
    return torch.stack((14 * x + 0.42, y + 0.01, s - y + 0.55), 1)


def scale_errors(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Means and 4-norms of three error maps of [N, 3, H, W]: [N, 3, 2, 3]."""
    n = len(a)
    mean_a, aa = blur(torch.cat((a, a * a))).split(n)
    mean_b, bb, ab = blur(torch.cat((b, b * b, a * b))).split(n)
    structure = (2 * (ab - mean_a * mean_b) + C2) / (aa - mean_a**2 + bb - mean_b**2 + C2)
    ssim = (1 - (1 - (mean_a - mean_b) ** 2) * structure).clamp_min(0)
    edges = (1 + (b - mean_b).abs()) / (1 + (a - mean_a).abs()) - 1
    maps = torch.stack((ssim, edges.clamp_min(0), (-edges).clamp_min(0)), -1)
    norms = (maps.pow(4).mean((2, 3)) + 1e-24) ** 0.25
    return torch.stack((maps.mean((2, 3)), norms), -2)


def blur(x: torch.Tensor) -> torch.Tensor:
    """Gaussian mean of [N, C, H, W] with zeros outside."""
    at = torch.arange(-RADIUS, RADIUS + 1, device=x.device, dtype=x.dtype)
    window = torch.exp(-at.square() / (2 * SIGMA**2))
    window = window / window.sum()
    flat = x.flatten(0, 1)[:, None]
    flat = F.conv2d(flat, window.view(1, 1, 1, -1), padding=(0, RADIUS))
    return F.conv2d(flat, window.view(1, 1, -1, 1), padding=(RADIUS, 0)).view_as(x)
