"""Blocks on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from unetscope.errors import InputError
from unetscope.large.blocks import Block

__all__ = ["on_cluster"]


def on_cluster(work: Callable[[Block], None], blocks: Sequence[Block], scheduler: str) -> Iterator[None]:
    """Work on blocks at a cluster, which does those of a lost worker again.

    Parameters
    ----------
    work : callable
        That can be pickled.
    blocks : sequence of Block
    scheduler : str
        Address of the scheduler.

    Yields
    ------
    None
        When another block is finished, in any order. Leaving cancels the others.

    Raises
    ------
    InputError
        If distributed is not installed, or nobody answers.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError(
            f"the cluster {scheduler} needs the package distributed, which is not installed",
            expected="it",
            fix='install it with pip install "unetscope[cluster]"',
        ) from None
    try:
        client = Client(scheduler)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {scheduler}",
            expected="the address of one that runs",
            fix="start it with dask scheduler, and check the address",
        ) from error
    with client:
        futures = client.map(work, blocks, pure=False)
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            client.cancel(futures)
