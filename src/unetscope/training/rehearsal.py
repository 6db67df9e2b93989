"""All that happens before the first step of a training, without the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from unetscope.network import network_for
from unetscope.preprocess import Preparation, class_values
from unetscope.recipe import Recipe
from unetscope.training.dataset import Batches, Example, check_channels, prepare_samples
from unetscope.training.split import Division, divide

__all__ = ["rehearse"]


def rehearse(
    examples: Sequence[Example], recipe: Recipe, *, progress: Callable[[str], None] = lambda _: None
) -> Division:
    """Split and prepare examples as training would, and raise what it would raise.

    Parameters
    ----------
    examples : sequence of Example
    recipe : Recipe
    progress : callable
        Called with what is done next; what it raises ends the rehearsal.

    Returns
    -------
    Division
        Which of the examples would train, validate and test.

    Raises
    ------
    InputError
        If training would refuse the examples.
    """
    groups, roles = [example.group for example in examples], [example.split for example in examples]
    division = divide(groups, recipe.split, seed=recipe.seed, roles=roles)
    chosen = [examples[i] for i in division.training]
    preparation = Preparation.fit(recipe.preprocess, [example.image for example in chosen])
    labels = np.unique(np.concatenate([np.unique(example.mask.data) for example in chosen])).tolist()
    values = class_values(labels, recipe.target)
    progress("preparing the images to train on")
    samples = prepare_samples(chosen, recipe, preparation, values)
    progress("preparing the images to validate on")
    judged = prepare_samples([examples[i] for i in division.validation], recipe, preparation, values)
    check_channels([*samples, *judged])
    with torch.device("meta"):
        network = network_for(recipe, samples[0].channels, values)
    Batches(samples, recipe, network, torch.device("cpu"))
    return division
