"""What an embedding backend is, and which there are."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

Keep = Callable[[Sequence[int], np.ndarray], None]
"""Called with positions in the texts and their vectors (n, length), as soon as these are there."""


class Embedder(Protocol):
    """Makes a vector of each text, of that text alone."""

    @property
    def model(self) -> str:
        """The name under which vectors are kept."""
        ...

    @property
    def length(self) -> int:
        """Numbers in a vector, as the model makes it."""
        ...

    def estimate(self, texts: Sequence[str]) -> str:
        """What these texts will cost, in words."""
        ...

    def embed(self, texts: Sequence[str], keep: Keep) -> None:
        """Make the vectors, in any order. Raises CineFeastError; what was kept until then is good."""
        ...
