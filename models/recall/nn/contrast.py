"""The loss of retrieval: a user's film against shared and own negatives, with what must not count masked."""

import torch
from torch import Tensor
from torch.nn import functional as F


def softmax_loss(shared: Tensor, own: Tensor, positive: Tensor, hardest: int = 0) -> Tensor:
    """Mean softmax loss (InfoNCE): row i's positive is column `positive[i]` of `shared`; other logits are negatives.

    shared (b, c) logits of films that all rows share, own (b, h) of a row's own negatives; -inf is no negative. With
    `hardest` only so many of the highest negatives of a row count.
    """
    logits = torch.cat([shared, own], dim=1) if own.shape[1] else shared
    if not 0 < hardest < logits.shape[1] - 1:
        return F.cross_entropy(logits, positive)
    is_positive = positive[:, None] == torch.arange(logits.shape[1], device=logits.device)
    highest = logits.masked_fill(is_positive, float("-inf")).topk(hardest, dim=1, sorted=False).values
    kept = torch.cat([logits.gather(1, positive[:, None]), highest], dim=1)
    return F.cross_entropy(kept, torch.zeros_like(positive))


def shared_bias(films: Tensor, times: Tensor, positive: Tensor, history: Tensor, log_q: Tensor) -> Tensor:
    """What is added to the shared logits: (b, c) for films (c,), each once, that were drawn so many `times` (c,).

    A film drawn n times is n negatives, which is log n on its logit, less its log frequency `log_q` (m + 1,). The films
    of a row's history (b, w) are -inf, as serving would never show them. The positive (b,) counts once, so its
    accidental second mention is no negative.
    """
    b, c = len(positive), len(films)
    column = torch.full_like(log_q, c, dtype=torch.long)  # what was not drawn goes into a last column
    column[films] = torch.arange(c, device=films.device)
    seen = torch.zeros(b, c + 1, dtype=torch.bool, device=films.device)
    seen.scatter_(1, column[history.long()], True)
    bias = (times.log() - log_q[films]).masked_fill(seen[:, :c], float("-inf"))
    return bias.scatter_(1, positive[:, None], -log_q[films[positive]][:, None])


def log_frequencies(counts: Tensor, batch: int, uniform: int) -> Tensor:
    """Log of how often each film is drawn into a batch, to be taken off its logit: (m + 1,) for the film table's rows.

    counts (m + 1,) are the examples of each film. Yi et al. (RecSys 2019); with `uniform` films mixed in, the mixture's
    frequency, as in Yang et al., Mixed negative sampling (WWW 2020).
    """
    share = counts.float() / counts.sum().clamp(min=1)
    even = (counts > 0).float() / (counts > 0).sum().clamp(min=1)
    return torch.log(((batch * share + uniform * even) / (batch + uniform)).clamp(min=1e-9))
