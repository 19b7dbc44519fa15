"""The loss of retrieval: a user's film against shared and own negatives, with what must not count masked."""

import torch
from torch import Tensor
from torch.nn import functional as F


def softmax_loss(shared: Tensor, own: Tensor, hardest: int = 0) -> Tensor:
    """Mean softmax loss (InfoNCE): row i's positive is column i of `shared`; every other logit is a negative.

    shared (b, c) logits of films that all rows share, c >= b; own (b, h) logits of a row's own negatives; -inf is no
    negative. With `hardest` only so many of the highest negatives of a row count.
    """
    positive = torch.arange(len(shared), device=shared.device)
    logits = torch.cat([shared, own], dim=1) if own.shape[1] else shared
    if not 0 < hardest < logits.shape[1] - 1:
        return F.cross_entropy(logits, positive)
    is_positive = positive[:, None] == torch.arange(logits.shape[1], device=shared.device)
    highest = logits.masked_fill(is_positive, float("-inf")).topk(hardest, dim=1, sorted=False).values
    kept = torch.cat([logits[positive, positive, None], highest], dim=1)
    return F.cross_entropy(kept, torch.zeros_like(positive))


def no_negatives(films: Tensor, history: Tensor, rows: int) -> Tensor:
    """Which shared films (c,) are no negative for which row: (b, c), b = len(history).

    Row i's positive `films[i]` where it stands once more, and films of its history (b, w), which serving would never
    show either. `rows` is the length of the film table, whose row 0 is padding.
    """
    b = len(history)
    drawn, place = films.unique(return_inverse=True)
    where = torch.full((rows,), len(drawn), device=films.device)  # what was not drawn goes into a last column
    where[drawn] = torch.arange(len(drawn), device=films.device)
    hit = torch.zeros(b, len(drawn) + 1, dtype=torch.bool, device=films.device)
    positive = torch.arange(b, device=films.device)
    hit.scatter_(1, where[history.long()], True)
    hit[positive, place[:b]] = True
    hit = hit.index_select(1, place)
    hit[positive, positive] = False
    return hit


def log_frequencies(counts: Tensor, batch: int, uniform: int) -> Tensor:
    """Log of how often each film is drawn into a batch, to be taken off its logit: (m + 1,) for the film table's rows.

    counts (m + 1,) are the examples of each film. Yi et al. (RecSys 2019); with `uniform` films mixed in, the mixture's
    frequency, as in Yang et al., Mixed negative sampling (WWW 2020).
    """
    share = counts.float() / counts.sum().clamp(min=1)
    even = (counts > 0).float() / (counts > 0).sum().clamp(min=1)
    return torch.log(((batch * share + uniform * even) / (batch + uniform)).clamp(min=1e-9))
