"""Processes that train one network together, as PyTorch's launcher ``torchrun`` starts them.

All of them hold all samples and draw the same batches. Each computes its own share of a batch, then the loss
of the whole batch, in which the logits of the others are constants; the gradients that the processes find are
those of the whole batch once they are added up, whatever the loss. What depends on time or on people is
decided by the first process, which alone writes and prints.
"""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.rendezvous import rendezvous

from unetscope.errors import TrainingError, is_out_of_memory

__all__ = ["ALONE", "Team", "join_team"]

T = TypeVar("T")

# The first process may be asked to pause, or validate for long; torchrun itself notices who dies.
_PATIENCE = timedelta(days=30)
_SECONDS_BETWEEN_LOOKS = 0.01


@dataclass(frozen=True)
class Team:
    """The processes of a training, as one of them sees it.

    Attributes
    ----------
    rank : int
        Which one this is, from 0.
    size : int
        How many there are.
    local : int
        Which one of its machine this is, from 0.
    launchers : tuple of str
        The torchrun of every machine, which stays the same when it starts lost processes anew.
    rehearses : bool
        Computes its share as if nothing came from the others, and waits for nobody.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    launchers: tuple[str, ...] = ()
    rehearses: bool = False

    @property
    def leads(self) -> bool:
        """Whether this process decides, writes and prints."""
        return self.rank == 0

    @property
    def talks(self) -> bool:
        """Whether anything is exchanged with others."""
        return self.size > 1 and not self.rehearses

    def device_name(self, name: str) -> str:
        """The device of this process where each needs one of its own.

        Parameters
        ----------
        name : str
            As for `choose_device`.

        Raises
        ------
        TrainingError
            If there are more processes than graphics cards, or none of the kind can be shared.
        """
        if self.size == 1 or name.startswith("cuda:"):
            return name
        if name == "mps":
            raise TrainingError(
                f"{self.size} processes cannot train together on {name}",
                expected="cpu or cuda",
                fix="train in one process",
            )
        if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
            return "cpu"
        cards = torch.cuda.device_count()
        if self.local >= cards:
            raise TrainingError(
                f"process {self.local + 1} of this machine finds {cards} graphics card(s)",
                expected="a card for each process",
                fix=f"set --nproc-per-node={cards}" if cards else "use the device cpu",
            )
        return f"cuda:{self.local}"

    def ask(self, work: Callable[[], T]) -> T:
        """What the first process finds when it does some work; the others wait for it.

        Raises
        ------
        TrainingError
            If the first process has ended.
        """
        if not self.talks:
            return work()
        answer = [work() if self.leads else None]
        with _losing_others():
            distributed.broadcast_object_list(answer, src=0, device=torch.device("cpu"))
        return answer[0]  # type: ignore[return-value]

    @contextmanager
    def first_leads(self) -> Iterator[None]:
        """What is done within is done by the first process, and by the others when it has finished."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()

    def wait(self) -> None:
        """Wait until the first process comes here."""
        self.ask(lambda: None)

    def most(self, number: int) -> int:
        """The highest of the numbers that the processes say."""
        return int(self._sum(self._one_row(torch.tensor([number]))).max())

    def share(self, whole: Tensor) -> Tensor:
        """The part of a batch that this process computes; empty if there are fewer samples than processes."""
        first, end = self._span(len(whole))
        return whole[first:end]

    def whole(self, own: Tensor, count: int) -> Tensor:
        """A result for the whole batch, in which only this process's part has a gradient.

        Parameters
        ----------
        own : (N, …) Tensor
            Of `share`.
        count : int
            Samples in the batch.

        Returns
        -------
        (count, …) Tensor
        """
        if self.size == 1:
            return own
        first, end = self._span(count)
        result = own.new_zeros((count, *own.shape[1:]))
        result[first:end] = own.detach()
        result = self._sum(result)
        return torch.cat([result[:first], own, result[end:]])

    def rows(self, own: Tensor) -> Tensor:
        """The vectors of all processes, (size, N) from (N,); without gradient."""
        return self._sum(self._one_row(own))

    def total(self, own: Tensor) -> Tensor:
        """The sum over the processes; without gradient."""
        return self._sum(own.clone())

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the sum of the gradients that all have found."""
        if not self.talks:
            return
        learned = list(parameters)
        # One exchange, because each costs time however little is in it.
        flat = [
            each.new_zeros(each.numel()) if each.grad is None else each.grad.flatten() for each in learned
        ]
        parts = self._sum(torch.cat(flat)).split([each.numel() for each in learned])
        for each, part in zip(learned, parts, strict=True):
            if each.grad is None:
                each.grad = torch.empty_like(each)
            each.grad.copy_(part.view_as(each))

    def _span(self, count: int) -> tuple[int, int]:
        return self.rank * count // self.size, (self.rank + 1) * count // self.size

    def _one_row(self, own: Tensor) -> Tensor:
        rows = own.new_zeros((self.size, *own.shape))
        rows[self.rank] = own
        return rows

    def _sum(self, tensor: Tensor) -> Tensor:
        """Sum over the processes, in place; all get the same bits."""
        if self.talks:
            with _losing_others():
                distributed.all_reduce(tensor)
        return tensor


ALONE = Team()
"""A process that trains without others."""


@functools.cache
def join_team() -> Team:
    """The team that torchrun has started this process for; a team of one without torchrun.

    The first call connects the processes, until they end.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ALONE
    rank, size, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    launcher = f"{os.environ['TORCHELASTIC_RUN_ID']} {socket.gethostname()} {os.getppid()}"
    if size == 1:
        return Team(launchers=(launcher,))
    with_cards = torch.cuda.is_available() and distributed.is_nccl_available()
    store, _, _ = next(rendezvous("env://", rank, size))
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if with_cards else "gloo",
        store=distributed.PrefixStore(_meet(store, rank, size), store),  # type: ignore[attr-defined]
        rank=rank,
        world_size=size,
        timeout=_PATIENCE,
    )
    atexit.register(distributed.destroy_process_group)
    launchers: list[str] = [""] * size
    distributed.all_gather_object(launchers, launcher)
    return Team(rank, size, local, tuple(sorted(set(launchers))))


def _meet(store: Any, rank: int, size: int) -> str:
    """A name that only those who are here now know.

    When torchrun starts lost processes again, its store still holds the addresses of the former ones.
    """
    mine = secrets.token_hex(8)
    if rank > 0:
        store.set(f"hello {rank}", mine)
        name = store.get(f"answer to {mine}").decode()
        store.set(f"{rank} is in {name}", "")
        return name
    others = range(1, size)
    while not store.check([f"{other} is in {mine}" for other in others]):
        for other in others:
            if store.check([f"hello {other}"]):
                store.set(f"answer to {store.get(f'hello {other}').decode()}", mine)
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return mine


@contextmanager
def _losing_others() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise TrainingError(
            "another process of this training has ended",
            expected="all of them until the end",
            fix="see what that one said",
        ) from error
