"""Vectors of texts that need nothing but the texts: TF-IDF and truncated SVD (latent semantic analysis).

Deerwester et al., Indexing by latent semantic analysis (JASIS 41, 1990).
"""

import re
import unicodedata
from collections.abc import Iterator

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

# Thai, Lao, Burmese, Khmer, kana and Han: scripts that put no spaces between words
RUN = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]{2,}")
PHRASE = 3
"""Words of the longest phrase that counts as a term of its own: names, keywords, short titles."""


class Letters(dict[int, str]):
    """A table for str.translate: letters, marks and digits stay, spaces and hyphens part words, all else phrases."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        kind = unicodedata.category(letter)
        self[code] = letter if kind[0] in "LMN" else " " if kind in ("Zs", "Pd", "Pc") or letter in "'’" else "\n"
        return self[code]


LETTERS = Letters()


def terms(text: str) -> Iterator[str]:
    """The words of a text in any script, and its short phrases: `tom`, `hanks` and `tom hanks`."""
    for phrase in unicodedata.normalize("NFKC", text).casefold().translate(LETTERS).split("\n"):
        words = phrase.split()
        yield from words
        if 2 <= len(words) <= PHRASE:
            yield " ".join(words)
        for run in RUN.findall(phrase):
            yield from (run[at : at + 2] for at in range(len(run) - 1))


def text_vectors(texts: list[str], dimensions: int, seed: int = 0) -> np.ndarray:
    """Vectors (n, dimensions) float32 of length 1, the same for the same texts; zeros where a text shares no term."""
    try:
        weights = TfidfVectorizer(analyzer=terms, min_df=2, sublinear_tf=True, dtype=np.float32).fit_transform(texts)
    except ValueError:  # not one term stands in two texts
        return np.zeros((len(texts), dimensions), np.float32)
    width = min(dimensions, *weights.shape)
    svd = TruncatedSVD(width, n_iter=7, random_state=seed)
    reduced = svd.fit_transform(weights) if weights.shape[1] > 1 else weights.toarray()
    out = np.zeros((len(texts), dimensions), np.float32)
    out[:, :width] = normalize(np.where(np.abs(reduced) < 1e-7, 0.0, reduced))
    return out
