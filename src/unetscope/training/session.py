"""One training from examples to a model: split, prepare, loop, and write the run folder."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version

import numpy as np
import torch

from unetscope.errors import TrainingError
from unetscope.io.image import Image
from unetscope.model import Model
from unetscope.network import UNet, kept_memory, network_for
from unetscope.preprocess import Preparation, class_values
from unetscope.recipe import Recipe
from unetscope.training.dataset import Example, Sample, check_channels, prepare_samples
from unetscope.training.loop import EpochRecord, TrainingState, train_epochs
from unetscope.training.precision import gains_from_channels_last
from unetscope.training.run import DataEntry, Run, file_hash
from unetscope.training.shared_norm import share_statistics
from unetscope.training.split import Division, divide
from unetscope.training.team import ALONE, Team

__all__ = ["describe_data", "fit"]

# Where objects begin, until validation images settle it. By center, it is a part of the votes that a typical
# object has, of which small ones get less.
_SEED = 0.5
_SEED_BY_CENTER = 0.2
# Writing the full state takes longer than a short epoch.
_SECONDS_BETWEEN_CHECKPOINTS = 30.0
# How long the end of an epoch, where nothing is lost, is waited for before a request is obeyed.
_SECONDS_OF_GRACE = 5.0
_SECONDS_BETWEEN_LOOKS = 0.2


def describe_data(examples: Sequence[Example], recipe: Recipe) -> list[DataEntry]:
    """Split examples and fingerprint their files, for the run folder.

    Raises
    ------
    InputError
        If the examples cannot be split as the recipe asks.
    """
    groups, roles = [example.group for example in examples], [example.split for example in examples]
    division = divide(groups, recipe.split, seed=recipe.seed, roles=roles)
    role_at = dict.fromkeys(division.validation, "validation") | dict.fromkeys(division.test, "test")
    return [
        DataEntry(
            name=example.name,
            group=example.group,
            role=role_at.get(position, "training"),
            image=_path(example.image),
            mask=_path(example.mask),
            image_sha256=_hash(example.image),
            mask_sha256=_hash(example.mask),
            reading=example.mask.source.tags.get("reading", {}),
        )
        for position, example in enumerate(examples)
    ]


def fit(
    run: Run, examples: Sequence[Example], *, device: torch.device, team: Team = ALONE
) -> Iterator[EpochRecord]:
    """Train as the run folder says, from its beginning or from its checkpoint.

    Parameters
    ----------
    run : Run
    examples : sequence of Example
        In the order of the run's data.
    device : torch.device
    team : Team
        The processes that train together; only the first has a run that can be written.

    Yields
    ------
    EpochRecord
        After the run folder holds it. Closing the generator keeps the best model and a checkpoint.

    Raises
    ------
    InputError
        If an image or mask cannot be used.
    TrainingError
        If training has to stop; the best model so far is in the run folder.
    """
    # Saturated networks make gradients so small that processors compute them 30 times slower. Before any
    # other work, because the threads that torch starts take this over from the one that starts them.
    torch.set_flush_denormal(True)
    try:
        with kept_memory():
            yield from _fit(run, examples, device, team)
    finally:
        torch.set_flush_denormal(False)


def _fit(run: Run, examples: Sequence[Example], device: torch.device, team: Team) -> Iterator[EpochRecord]:
    recipe = run.recipe
    division = _division(run.data)
    chosen = [examples[i] for i in division.training]
    preparation = Preparation.fit(recipe.preprocess, [example.image for example in chosen])
    values = class_values(_mask_values(chosen), recipe.target)
    training = prepare_samples(chosen, recipe, preparation, values)
    validation = prepare_samples([examples[i] for i in division.validation], recipe, preparation, values)
    check_channels([*training, *validation])
    network = _new_network(recipe, training, values, device)
    run.load_start(network)
    if team.size > 1:
        share_statistics(network, team)
    state = TrainingState(recipe, network)
    run.load_checkpoint(state)
    if team.ask(lambda: state.steps) != state.steps:
        raise TrainingError(
            f"the checkpoint that this process finds in {run.path} is not that of the first process",
            expected="one run folder for all machines",
            fix="put it where all of them see the same files",
        )
    saved = time.monotonic()
    requests = _Requests(run)
    epochs = train_epochs(state, recipe, training, validation, team=team, go_on=requests.go_on)
    run.write_status(state="training", epoch=state.epoch)
    try:
        for record in epochs:
            # The model first: whoever reads of an epoch in the history finds its model.
            if record.best:
                model = Model(
                    network=state.judged,
                    recipe=recipe,
                    values=values,
                    channels=_channel_names(chosen[0].image, training[0].channels),
                    scaling=preparation.scaling,
                    threshold=record.threshold,
                    seed=_SEED_BY_CENTER if recipe.target.by_center else _SEED,
                    diameter=_typical(sample.diameter for sample in training),
                    provenance=_provenance(run, record, division),
                )
                run.save_model(model)
                run.write_metrics(dict(model.provenance["scores"]))
            run.append(record)
            if time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                run.save_checkpoint(state)
                saved = time.monotonic()
            run.write_status(epoch=record.epoch)
            yield record
            if run.pause_requested:
                run.save_checkpoint(state)
            if not team.ask(requests.obey):
                break
    finally:
        # After an error inside an epoch the state is not that of an epoch's end.
        if run.history() and run.history()[-1]["epoch"] == state.epoch:
            run.save_checkpoint(state)


class _Requests:
    """What others ask of this training in its run folder: to wait, or to end.

    Both are done at the end of an epoch, where nothing is lost; unless that takes long.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._seen: float | None = None

    def go_on(self) -> bool:
        """Obey within an epoch, if the request is some seconds old; False to end."""
        if not (self._run.stop_requested or self._run.pause_requested):
            self._seen = None
            return True
        if self._seen is None:
            self._seen = time.monotonic()
        return time.monotonic() - self._seen < _SECONDS_OF_GRACE or self.obey()

    def obey(self) -> bool:
        """Wait as long as that is asked for; False to end."""
        self._seen = None
        if self._waits():
            self._run.write_status(state="paused")
            while self._waits():
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            self._run.write_status(state="training")
        return not self._run.stop_requested

    def _waits(self) -> bool:
        return self._run.pause_requested and not self._run.stop_requested


def _division(data: Sequence[DataEntry]) -> Division:
    roles = ("training", "validation", "test")
    return Division(*(tuple(i for i, entry in enumerate(data) if entry.role == role) for role in roles))


def _new_network(
    recipe: Recipe, samples: Sequence[Sample], values: Sequence[int], device: torch.device
) -> UNet:
    diameter = _typical(sample.diameter_seen for sample in samples)
    with torch.random.fork_rng([]):
        torch.manual_seed(recipe.seed)
        network = network_for(recipe, samples[0].channels, values, diameter=diameter or 2.0)
    if recipe.network.dimensions == 2 and gains_from_channels_last(device.type):
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.to(device)


def _typical(diameters: Iterable[float]) -> float | None:
    """The median over samples that hold objects; None where masks do not number them."""
    found = [each for each in diameters if each]
    return float(np.median(found)) if found else None


def _mask_values(examples: Sequence[Example]) -> list[int]:
    found = [np.unique(example.mask.data) for example in examples]
    return [int(value) for value in np.unique(np.concatenate(found))]


def _channel_names(image: Image, count: int) -> tuple[str, ...]:
    return image.channels if len(image.channels) == count else ("gray",) * count


def _provenance(run: Run, record: EpochRecord, division: Division) -> dict[str, object]:
    digest = hashlib.sha256()
    for entry in run.data:
        digest.update((entry.image_sha256 + entry.mask_sha256).encode())
    start = run.start
    return {
        "unetscope": version("unetscope"),
        "torch": str(torch.__version__),
        **({} if start is None else {"start": dataclasses.asdict(start)}),
        "training images": len(division.training),
        "validation images": len(division.validation),
        "data": digest.hexdigest(),
        "scores": {
            "epoch": record.epoch,
            "seconds": round(record.seconds, 1),
            "threshold": record.threshold,
            "validation dice": record.val_dice,
            "validation loss": record.val_loss,
        },
    }


def _path(image: Image) -> str:
    path = image.source.path
    return "" if path is None else str(path.resolve())


def _hash(image: Image) -> str:
    path = image.source.path
    if path is not None and path.exists():
        return file_hash(path)
    return hashlib.sha256(np.ascontiguousarray(image.data).tobytes()).hexdigest()
