"""Interests by dynamic routing. Li et al., Multi-interest network with dynamic routing (MIND, CIKM 2019)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Capsules(nn.Module):
    """The films of a past, routed into interest vectors.

    Behaviour-to-interest routing with one bilinear map shared by all pairs, and a perceptron on each interest. Two
    changes: the films' recency weighs what they add to an interest, and the random logits that routing starts from
    are drawn once a place in the past, so that the same past always gives the same interests. As in the paper, users
    with a short past have fewer interests (`active_interests`).
    """

    start: Tensor
    """(k, length): logits that routing starts from, by place from the newest film."""
    weight: Tensor
    """(length,): what a film counts, by place from the newest."""

    def __init__(
        self,
        films: int,
        length: int,
        dim: int,
        interests: int,
        rounds: int,
        sharpness: float,
        recency: float,
        dropout: float,
    ) -> None:
        super().__init__()
        self.interests, self.rounds, self.sharpness = interests, rounds, sharpness
        self.film = nn.Embedding(films + 1, dim, padding_idx=0)
        nn.init.normal_(self.film.weight, std=0.1)
        with torch.no_grad():
            self.film.weight[0].zero_()
        self.shared = nn.Linear(dim, dim, bias=False)
        nn.init.eye_(self.shared.weight)
        self.dense = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim))
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("start", torch.randn(interests, length))
        self.register_buffer("weight", (1.0 + torch.arange(length)) ** -recency)

    def forward(self, past: Tensor) -> tuple[Tensor, Tensor]:
        """Interests (b, k, d) of pasts (b, t), newest first, 0 for padding, and which of them a user has (b, k)."""
        t, held = past.shape[1], past > 0
        behaviour = F.embedding(past, self.shared(self.film.weight))  # (b, t, d)
        weight = self.weight[:t] * self.dropout(held.float())
        weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-9).sqrt()
        active = active_interests(held.sum(dim=1), self.interests)
        routed = route(behaviour, weight, self.start[:, :t], active, self.rounds, self.sharpness)
        return routed + self.dense(routed), active

    def film_vectors(self) -> Tensor:
        """What films are compared by (m, d), of length one; an interest's own length says how strong it is."""
        return F.normalize(self.film.weight[1:], dim=1)


def active_interests(size: Tensor, most: int) -> Tensor:
    """Which interests users with `size` (b,) films have: the first max(1, min(most, log2 size)), as (b, most)."""
    count = torch.log2(size.clamp(min=1).float()).floor().clamp(min=1, max=most)
    return torch.arange(most, device=size.device) < count[:, None]


def route(behaviour: Tensor, weight: Tensor, start: Tensor, active: Tensor, rounds: int, sharpness: float) -> Tensor:
    """Interests (b, k, d) of behaviours (b, t, d) that count `weight` (b, t), routed from logits `start` (k, t).

    Each round shares a behaviour among the interests by softmax, adds up and squashes each interest, and raises the
    logits by how well they agree. Only the last round passes gradients, as in the authors' code.
    """
    fixed, logits = behaviour.detach(), start.masked_fill(~active[:, :, None], float("-inf"))
    for nth in range(rounds):
        share = logits.softmax(dim=1) * weight[:, None, :]  # (b, k, t)
        if nth < rounds - 1:
            logits = logits + sharpness * squash(share @ fixed) @ fixed.transpose(1, 2)
    return squash(share @ behaviour)


def squash(vectors: Tensor) -> Tensor:
    """Vectors (..., d) of the same directions, shortened below one: long ones to nearly one, short ones to nothing."""
    length = vectors.norm(dim=-1, keepdim=True)
    return vectors * length / (1 + length.square())


def interest_softmax(interests: Tensor, active: Tensor, films: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
    """Mean sampled softmax loss of targets (b,) for interests (b, k, d) against films (m, d).

    A film's logit is the soft maximum, log-sum-exp, of its products with the user's active interests, so that training
    ranks films as serving does, by their best interest. The paper attends to the label alone and compares its
    interest with all negatives; then nothing teaches which of a user's interests is the stronger. The uniformly drawn
    `negatives` (s,), which all rows share, are corrected by how likely they are drawn (logQ).
    """
    best = (interests * films[targets][:, None]).sum(dim=2, keepdim=True)  # (b, k, 1)
    others = interests @ films[negatives].T + math.log(len(films) / len(negatives))  # (b, k, s)
    logits = torch.cat([best, others], dim=2).float().masked_fill(~active[:, :, None], float("-inf")).logsumexp(dim=1)
    accidental = F.pad(negatives[None, :] == targets[:, None], (1, 0))
    logits = logits.masked_fill(accidental, float("-inf"))
    return F.cross_entropy(logits, torch.zeros_like(targets))
