"""Muon for the inner matrices, Adam for the other parameters.

Muon (Jordan 2024) replaces the momentum of a matrix by the nearest orthogonal matrix, which a few
Newton-Schulz steps approximate. Updates are scaled by 0.2 * sqrt(longer side) so that one learning rate suits
both halves (Liu et al. 2025, "Muon is scalable for LLM training", section 2.2).
"""

import torch


def orthogonalise(g: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Approximates the polar factor of each matrix of a batch [B, rows, columns]."""
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT.contiguous()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        b = torch.baddbmm(a, a, a, beta=-4.775, alpha=2.0315)
        x = torch.baddbmm(x, b, x, beta=3.4445)
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for 2-D parameters. Parameters of the same shape share a batched product."""

    def __init__(self, params, lr=5e-4, momentum=0.95):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                mu, grads = group["momentum"], [p.grad for p in params]
                for p in params:
                    if not self.state[p]:
                        self.state[p]["momentum"] = torch.zeros_like(p)
                momenta = [self.state[p]["momentum"] for p in params]
                torch._foreach_lerp_(momenta, grads, 1 - mu)
                updates = orthogonalise(torch.stack(torch._foreach_lerp(grads, momenta, mu)))
                scale = group["lr"] * 0.2 * max(shape) ** 0.5
                torch._foreach_add_(params, list(updates.unbind()), alpha=-scale)


def build(net: torch.nn.Module, kind: str, lr: float) -> list[torch.optim.Optimizer]:
    """Returns the optimisers of a network: `adam`, or `muon` with Adam for all parameters except inner matrices."""
    if kind == "adam":
        return [torch.optim.Adam(net.parameters(), lr=lr, betas=(0.9, 0.98), fused=True)]
    gains = {"enc_gain", "dec_gain", "y_gain"}
    matrices, rest = [], []
    for name, p in net.named_parameters():
        inner = p.ndim == 2 and name.split(".")[0] not in gains | {"z_prior", "e_in"}
        (matrices if inner else rest).append(p)
    return [Muon(matrices, lr=lr), torch.optim.Adam(rest, lr=lr, betas=(0.9, 0.98), fused=True)]
