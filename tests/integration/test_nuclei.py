"""The model of nuclei that comes with the package: what it promises on its first day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import rescale

from unetscope import api, io
from unetscope.evaluation.objects import InstanceCounts, count_objects
from unetscope.io.image import Image

# Of few and of many nuclei, small and large.
IMAGES = ("f9ac03b0344c", "f113626a0412", "5908488d940e", "a486f6ed4b87", "1c8b905c9519")


def glowing(diameter: float) -> tuple[NDArray[np.float32], int]:
    """Blurred and noisy ellipses, two of them touching, on a dim ground; and how many."""
    rng = np.random.default_rng(0)
    places = np.indices((200, 240)) / 20
    centers = [(2, 2, 1.0), (2.5, 5.5, 0.6), (6, 3, 0.8), (6.2, 4.1, 0.9), (7.5, 9, 0.5), (3, 9.5, 0.9)]
    image = np.full((200, 240), 0.05)
    for y, x, brightness in centers:
        image[((places[0] - y) / 0.62) ** 2 + ((places[1] - x) / 0.5) ** 2 < 1] = brightness
    image = rescale(ndimage.gaussian_filter(image, 1.2), diameter / 22, order=1)
    return (100 * image + rng.normal(0, 1, image.shape)).astype(np.float32), len(centers)


@pytest.mark.parametrize("diameter", [12, 22, 45, 110])
def test_nuclei_of_any_size_are_found(diameter: float) -> None:
    pixels, count = glowing(diameter)
    prediction = api.predict("nuclei", Image(pixels, "YX"))
    assert prediction.labels.data.max() == count
    assert prediction.diameter == pytest.approx(diameter, rel=0.3)


def test_it_finds_nothing_where_nothing_is() -> None:
    noise = np.random.default_rng(0).normal(100, 3, (128, 128)).astype(np.float32)
    assert api.predict("nuclei", Image(noise, "YX")).labels.data.max() == 0


def test_it_finds_nuclei_in_real_images(real_data: Path) -> None:
    counts = InstanceCounts()
    for name in IMAGES:
        (path,) = (real_data / "nuclei/test/images").glob(f"{name}.*")
        (mask,) = (real_data / "nuclei/test/masks").glob(f"{name}.*")
        counts += count_objects(api.read_mask(mask).data, api.predict("nuclei", path).labels.data)
    assert counts.mean_ap > 0.7


def test_its_card_is_kept_with_it() -> None:
    card = api.read_card(api.find_model("nuclei"))
    assert card.about is not None
    assert card.about.licenses == ("CC0",)
    assert card.about.held_out[0].images == 50
    assert card.about.limits
    assert card.path.stat().st_size <= 8_000_000


def test_training_goes_on_from_it(tmp_path: Path) -> None:
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for index, diameter in enumerate((18, 22, 30)):
        pixels, _ = glowing(diameter)
        labels = api.predict("nuclei", Image(pixels, "YX")).labels
        io.write_image(tmp_path / "images" / f"{index}.ome.tif", Image(pixels, "YX"))
        io.write_mask(tmp_path / "masks" / f"{index}.ome.tif", labels)
    settings = ["training.epochs=1", "training.samples=2", "training.patch=[64,64]"]
    run = api.train(tmp_path, tmp_path / "run", start="nuclei", settings=settings, device="cpu")
    assert run.recipe.preprocess.diameter == api.load_model("nuclei").recipe.preprocess.diameter
    assert api.predict(run.path, Image(glowing(22)[0], "YX")).labels.data.max() == 6
