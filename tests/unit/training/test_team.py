"""Processes that train together find what one finds."""

from __future__ import annotations

import copy
import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import distributed, nn

from unetscope.errors import TrainingError
from unetscope.network import for_inference, network_for
from unetscope.recipe import Recipe, change
from unetscope.training import team
from unetscope.training.shared_norm import share_statistics
from unetscope.training.team import ALONE, Team, join_team

SCRIPT = Path(__file__).with_name("team_steps.py")
STEPS = runpy.run_path(str(SCRIPT))
Found = dict[str, dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Found]:
    """What each of two processes has found."""
    out = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(SCRIPT), str(out)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return torch.load(out / "0.pt"), torch.load(out / "1.pt")


@pytest.fixture(scope="module")
def one() -> Found:
    """What one process finds."""
    return STEPS["steps"](ALONE)


@pytest.mark.parametrize("case", STEPS["CASES"])
def test_two_processes_find_the_gradients_of_one(two: tuple[Found, Found], one: Found, case: str) -> None:
    mine, others = (each[case] for each in two)
    assert mine.keys() == others.keys() == one[case].keys()
    assert any(value.abs().max() > 1e-3 for name, value in mine.items() if "weight" in name)
    for name, value in one[case].items():
        assert torch.equal(mine[name], others[name]), name
        # The offset of the last layer is a sum over 16,384 voxels, which are added up in another order.
        torch.testing.assert_close(
            mine[name],
            value,
            atol=2e-6,
            rtol=5e-5,
            check_dtype=False,
            msg=lambda told, name=name: f"{name}: {told}",
        )


def test_all_use_as_many_parts_as_the_one_with_the_least_memory(two: tuple[Found, Found]) -> None:
    mine, others = (each["memory"] for each in two)
    # A share of two samples, of which the second process has room for one.
    assert mine["parts"] == others["parts"] == 2
    assert all(torch.equal(value, others[name]) for name, value in mine.items())
    fitting = STEPS["parts_that_fit"](ALONE, room=2)
    assert fitting["parts"] == 2
    for name, value in fitting.items():
        torch.testing.assert_close(mine[name], value, atol=2e-6, rtol=1e-4, msg=name)


def test_the_first_process_is_asked_and_all_hear_it(two: tuple[Found, Found]) -> None:
    assert [each["exchange"]["asked"] for each in two] == [7, 7]
    assert [each["exchange"]["most"] for each in two] == [1, 1]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 7, 12])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_shares_are_the_batch(count: int, size: int) -> None:
    batch = torch.arange(count)
    shares = [Team(rank, size).share(batch) for rank in range(size)]
    assert torch.equal(torch.cat(shares), batch)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_who_rehearses_waits_for_nobody() -> None:
    alone = Team(1, 3, rehearses=True)
    whole = alone.whole(torch.ones(2, 1, requires_grad=True), 6)
    assert whole.squeeze(1).tolist() == [0, 0, 1, 1, 0, 0]
    assert whole.requires_grad
    assert alone.ask(lambda: 4) == 4
    assert alone.rows(torch.ones(2)).tolist() == [[0, 0], [1, 1], [0, 0]]


def test_without_torchrun_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    join_team.cache_clear()
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert join_team() == ALONE
    assert ALONE.leads
    join_team.cache_clear()


def test_torchrun_may_start_a_single_process(monkeypatch: pytest.MonkeyPatch) -> None:
    join_team.cache_clear()
    facts = {"TORCHELASTIC_RUN_ID": "7", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    for name, value in facts.items():
        monkeypatch.setenv(name, value)
    joined = join_team()
    join_team.cache_clear()
    assert (joined.size, len(joined.launchers)) == (1, 1)
    assert joined.launchers[0].endswith(f" {os.getppid()}")


def test_every_process_has_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = SimpleNamespace(is_available=lambda: True, device_count=lambda: 2)
    monkeypatch.setattr(team.torch, "cuda", cards)
    second = Team(1, 4, 1)
    assert [second.device_name(name) for name in ("auto", "cuda", "cuda:0", "cpu")] == [
        "cuda:1", "cuda:1", "cuda:0", "cpu",
    ]  # fmt: skip
    assert ALONE.device_name("auto") == "auto"
    with pytest.raises(TrainingError, match=r"finds 2 graphics card.*set --nproc-per-node=2"):
        Team(2, 4, 2).device_name("auto")
    with pytest.raises(TrainingError, match=r"cannot train together on mps"):
        second.device_name("mps")
    cards.is_available = lambda: False
    assert second.device_name("auto") == "cpu"


def test_who_loses_the_others_says_so() -> None:
    with (
        pytest.raises(TrainingError, match="another process of this training has ended"),
        team._losing_others(),
    ):
        raise RuntimeError("Connection closed by peer")
    with pytest.raises(RuntimeError, match="out of memory"), team._losing_others():
        raise RuntimeError("CUDA out of memory")


def _network(*settings: str) -> nn.Module:
    recipe = change(Recipe(), ["network={depth: 1, width: 3, norm: batch}", *settings])
    torch.manual_seed(1)
    return network_for(recipe, 1, (0, 1))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_shared_statistics_change_neither_weights_nor_predictions(dimensions: int) -> None:
    network: Any = _network(f"network.dimensions={dimensions}")
    images = torch.randn(3, 1, *[8] * dimensions) * 5 + 2
    network(images)
    shared = copy.deepcopy(network)
    share_statistics(shared, ALONE)
    assert list(shared.state_dict()) == list(network.state_dict())
    assert list(dict(shared.named_parameters())) == list(dict(network.named_parameters()))
    for each in (network, shared):
        each(images)
        each.eval()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value, msg=name)
    with torch.inference_mode():
        torch.testing.assert_close(shared(images), network(images))
        torch.testing.assert_close(for_inference(shared)(images), network(images), atol=1e-5, rtol=1e-4)


def test_shared_statistics_have_exact_gradients() -> None:
    norm: Any = nn.Sequential(nn.BatchNorm2d(2)).double()
    share_statistics(norm, ALONE)
    features = torch.randn(2, 2, 2, 3) * 3 + 100
    expected = nn.BatchNorm2d(2)
    results = []
    for each in (norm.float(), expected):
        given = features.clone().requires_grad_()
        (each(given) ** 3).sum().backward()
        results.append((given.grad, *(p.grad for p in each.parameters())))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("lost", [(), (0,), (1, 2)])
def test_who_is_started_again_meets_nobody_of_before(lost: tuple[int, ...]) -> None:
    store = distributed.HashStore()

    def attempt(ranks: Sequence[int]) -> list[str]:
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda rank: team._meet(store, rank, 3), ranks))

    (first,) = set(attempt(range(3)))
    for rank in lost:
        # Died before all had met: what it said is still there.
        store.set(f"hello {rank}", f"{rank} of before")
    (second,) = set(attempt((2, 0, 1)))
    assert second != first
