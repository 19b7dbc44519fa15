"""Vectors from any server with OpenAI's embeddings API: `POST {url}/embeddings`.

https://platform.openai.com/docs/api-reference/embeddings. Batches keep within the vendor's limits of texts and tokens,
and several are under way at once.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from dbt_project.errors import CineFeastError
from dbt_project.ingest.embeddings.embedder import Keep
from dbt_project.ingest.keys import api_key
from dbt_project.ingest.progress import request_progress
from dbt_project.ingest.retries import TransientError, message, read_json, retry_after, retrying
from dbt_project.ingest.workers import at_once

AT_ONCE = 8
FAILED_IN_A_ROW = 16
BYTES_A_TOKEN = 3
"""Bytes of UTF-8: English has about five to a token, Chinese and Japanese three. Fewer is the safe side."""
AGAIN = "run the same command again: what came is kept, and only the rest is asked for"
SET = "export EMBEDDINGS_URL=https://.../v1 EMBEDDINGS_API_KEY=..., then cinefeast embed --backend api"


@dataclass(frozen=True)
class ApiEmbedder:
    """A model behind an API.

    length: numbers in a vector; batch_texts, batch_tokens: the vendor's limits of one request, a single text being cut
    to fit; price: dollars for a million tokens, where known
    """

    model: str = "BAAI/bge-m3"
    length: int = 1024
    batch_texts: int = 32
    batch_tokens: int = 8000
    price: float | None = None

    def estimate(self, texts: Sequence[str]) -> str:
        """Texts, requests, tokens and dollars."""
        tokens = sum(map(tokens_of, texts))
        cost = "give --price to see the cost" if self.price is None else f"{self.price * tokens / 1e6:.2f} dollars"
        return f"{len(texts):,} texts in {len(self.batches(texts)):,} requests, about {tokens:,} tokens: {cost}"

    def batches(self, texts: Sequence[str]) -> list[list[int]]:
        """Positions of the texts of each request, in order."""
        batches: list[list[int]] = []
        room = 0
        for position, text in enumerate(texts):
            tokens = min(tokens_of(text), self.batch_tokens)
            if not batches or tokens > room or len(batches[-1]) == self.batch_texts:
                batches.append([])
                room = self.batch_tokens
            batches[-1].append(position)
            room -= tokens
        return batches

    def embed(self, texts: Sequence[str], keep: Keep) -> None:
        """Ask for all. CineFeastError on a refused key or request, and where batches failed."""
        url = os.environ.get("EMBEDDINGS_URL")
        if not url:
            raise CineFeastError("EMBEDDINGS_URL is not set", SET)
        key = api_key("EMBEDDINGS_API_KEY")
        asyncio.run(self._embed(texts, keep, url, {"Authorization": f"Bearer {key}"} if key else {}))

    async def _embed(self, texts: Sequence[str], keep: Keep, url: str, headers: dict[str, str]) -> None:
        batches = self.batches(texts)
        queue = iter(batches)
        failed: list[str] = []
        done = failed_in_a_row = 0
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            with request_progress(self.model, len(batches)) as on_progress:

                async def worker() -> None:
                    nonlocal done, failed_in_a_row
                    for positions in queue:
                        try:
                            keep(positions, await self._batch(client, [texts[position] for position in positions]))
                            failed_in_a_row = 0
                        except TransientError as error:
                            failed.append(str(error))
                            failed_in_a_row += 1
                        if failed_in_a_row >= FAILED_IN_A_ROW:
                            raise CineFeastError(f"{url} failed {FAILED_IN_A_ROW} times in a row: {failed[-1]}", AGAIN)
                        done += 1
                        on_progress(done)

                await at_once(AT_ONCE, worker)
        if failed:
            raise CineFeastError(
                f"{len(failed):,} of {len(batches):,} requests failed, the last one: {failed[-1]}", AGAIN
            )

    async def _batch(self, client: httpx.AsyncClient, texts: list[str]) -> np.ndarray:
        """The vectors (n, length) of one request's texts."""
        cut = [text.encode()[: BYTES_A_TOKEN * self.batch_tokens].decode("utf-8", "ignore") for text in texts]
        body = {"model": self.model, "input": cut, "encoding_format": "float"}
        async for attempt in retrying():
            with attempt:
                try:
                    response = await client.post("embeddings", json=body)
                except httpx.HTTPError as error:
                    raise TransientError(f"{type(error).__name__} {error}".strip()) from None
                if response.status_code == 429 or response.status_code >= 500:
                    if response.status_code == 429:
                        await asyncio.sleep(retry_after(response))
                    raise TransientError(f"status {response.status_code}")
                if response.status_code in (401, 403):
                    raise CineFeastError(f"{client.base_url} answers {response.status_code}: {message(response)}", SET)
                if response.status_code != 200:
                    raise CineFeastError(
                        f"{client.base_url} refuses a request with {response.status_code}: {message(response)}",
                        "give --model, --batch-texts and --batch-tokens as the vendor has them",
                    )
                return self._vectors(read_json(response), len(texts))
        raise AssertionError("tenacity ends in a return or a raise")

    def _vectors(self, payload: Any, count: int) -> np.ndarray:
        """The vectors of an answer in the order of its indexes; CineFeastError where they have another length."""
        try:
            by_index = {item["index"]: np.asarray(item["embedding"], np.float32) for item in payload["data"]}
        except (KeyError, TypeError, ValueError):
            raise TransientError("not a list of vectors") from None
        if sorted(by_index) != list(range(count)):
            raise TransientError(f"{len(by_index)} vectors for {count} texts")
        lengths = {len(vector) for vector in by_index.values()}
        if lengths != {self.length}:
            found = max(lengths - {self.length})
            raise CineFeastError(
                f"{self.model} makes vectors of {found}, not of {self.length}", f"give --length {found}"
            )
        vectors = np.stack([by_index[index] for index in range(count)])
        if not np.isfinite(vectors).all() or not np.abs(vectors).sum(axis=1).all():
            raise TransientError("a vector that is zero or no number")
        return vectors


def tokens_of(text: str) -> int:
    """Tokens of a text at most, about."""
    return max(1, -(-len(text.encode()) // BYTES_A_TOKEN))
