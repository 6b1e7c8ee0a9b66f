"""Muon for the matrices, Adam for the rest, behind one optimiser.

Muon (Jordan 2024) replaces a matrix's momentum by its nearest orthogonal matrix, found with a few
Newton-Schulz steps. Updates are scaled by 0.2 * sqrt(longer side) so that one learning rate suits
both halves (Liu et al. 2025, "Muon is scalable for LLM training", section 2.2).
"""

import torch


def orthogonalise(g: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Approximate polar factor of each matrix of a batch [B, rows, columns]."""
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for 2-D parameters; same-shaped ones share a batched product."""

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
                mu, updates = group["momentum"], []
                for p in params:
                    state = self.state[p]
                    m = state.setdefault("momentum", torch.zeros_like(p))
                    m.lerp_(p.grad, 1 - mu)
                    updates.append(p.grad.lerp(m, mu))
                updates = orthogonalise(torch.stack(updates))
                scale = group["lr"] * 0.2 * max(shape) ** 0.5
                for p, u in zip(params, updates):
                    p.add_(u, alpha=-scale)


def build(net: torch.nn.Module, kind: str, lr: float) -> list[torch.optim.Optimizer]:
    """Optimisers for a network: `adam`, or `muon` with Adam for what is not an inner matrix."""
    if kind == "adam":
        return [torch.optim.Adam(net.parameters(), lr=lr, betas=(0.9, 0.98))]
    gains = {"enc_gain", "dec_gain", "y_gain"}
    matrices, rest = [], []
    for name, p in net.named_parameters():
        inner = p.ndim == 2 and name.split(".")[0] not in gains | {"z_prior", "e_in"}
        (matrices if inner else rest).append(p)
    return [Muon(matrices, lr=lr), torch.optim.Adam(rest, lr=lr, betas=(0.9, 0.98))]
