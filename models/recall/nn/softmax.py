"""Softmax over films as a loss: over all of them in slices that stay in the cache, or over a shared sample."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

SLICE = 1024
"""Rows of logits held at once; all of them would be gigabytes, and slower for not fitting a cache."""


class _FullSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, films: Tensor, targets: Tensor, seen: Tensor | None, product: torch.dtype
    ) -> Tensor:
        matrix = films.to(product)
        to_asked, to_films = torch.empty_like(queries, dtype=torch.float32), torch.zeros_like(films)
        loss = torch.zeros((), device=queries.device)
        for rows in torch.arange(len(queries), device=queries.device).split(SLICE):
            part, target = queries[rows].to(product), targets[rows, None]
            logits = (part @ matrix.T).float()  # (s, m)
            positive = logits.gather(1, target)
            if seen is not None:
                logits.scatter_(1, seen[rows], float("-inf")).scatter_(1, target, positive)
            total = logits.logsumexp(dim=1, keepdim=True)
            loss += (total - positive).sum()
            share = logits.sub_(total).exp_()  # the softmax; less the target it is the gradient
            share.scatter_add_(1, target, torch.full_like(total, -1.0))
            small = share.to(product)
            to_asked[rows] = (small @ matrix).float()
            to_films += (small.T @ part).float()
        ctx.save_for_backward(to_asked, to_films)
        ctx.kind, ctx.count = queries.dtype, max(len(queries), 1)
        return loss / ctx.count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        to_asked, to_films = ctx.saved_tensors
        factor = gradients[0] / ctx.count
        return (to_asked * factor).to(ctx.kind), to_films * factor, None, None, None


def full_softmax(queries: Tensor, films: Tensor, targets: Tensor, seen: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of targets (p,) among all films: vectors (p, d) against (m, d).

    Films `seen` (p, t) are left out of a row's softmax, unless they are its target; one may stand there twice.
    Loss and gradients are worked out slice by slice in the forward pass (as Hsu et al., Liger Kernel, 2024), so the
    (p, m) logits never exist at once. Under autocast the products are taken in its type.
    """
    kind = queries.device.type
    product = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    with torch.autocast(kind, enabled=False):
        loss: Tensor = _FullSoftmax.apply(queries, films, targets, seen, product)
    return loss


def sampled_softmax(queries: Tensor, films: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
    """Mean cross-entropy of targets (p,) among uniformly drawn negatives (s,) that all rows share.

    Negatives are weighed up to the number of films, so the loss estimates the full one (Jean et al., ACL 2015); a
    row's own target among them is left out.
    """
    positive = (queries * films[targets]).sum(dim=1, keepdim=True).float()
    others = (queries @ films[negatives].T).float() + math.log(len(films) / len(negatives))
    others = others.masked_fill(negatives[None, :] == targets[:, None], float("-inf"))
    logits = torch.cat([positive, others], dim=1)
    return F.cross_entropy(logits, torch.zeros(len(targets), dtype=torch.long, device=queries.device))
