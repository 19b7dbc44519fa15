"""Requests beside each other."""

import asyncio
from collections.abc import Awaitable, Callable


async def at_once(count: int, worker: Callable[[], Awaitable[None]]) -> None:
    """Run `worker` so many times at once, until all have ended; the first error ends all and is raised as it is."""

    async def work() -> None:
        await worker()

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(count):
                workers.create_task(work())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
