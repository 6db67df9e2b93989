"""Train on layers of the viewer, segment them, look at the scores, and save labels and a picture.

python examples/viewer_train_predict.py --minutes 1 --out results

The window waits while this script trains; in examples/drive_widgets.py it does not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari

import unetscope
from unetscope.io import write_mask
from unetscope.samples import sample_folder
from unetscope.viewer import add_layer, image_of, open_viewer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="training time")
    parser.add_argument("--out", type=Path, default=Path("results"), help="a new or empty folder")
    parser.add_argument("--close", action="store_true", help="close the window at the end")
    arguments = parser.parse_args()

    viewer = open_viewer()
    layers = []
    for pair in unetscope.find_pairs(sample_folder("xray")).usable():
        # Your own arrays in the same way: scale is the size of a pixel. Here they lie three by three.
        image, mask = unetscope.read(pair.image), unetscope.read_mask(pair.mask)
        row, column = divmod(len(layers), 3)
        place = {"scale": (0.5, 0.5), "units": ("µm", "µm"), "translate": (85 * row, 85 * column)}
        layer = viewer.add_image(image.data, name=pair.image.stem, **place)
        layers.append((layer, viewer.add_labels(mask.data, name=f"{layer.name} labels", **place)))

    # Not on the first two, which show what the network does with new images.
    run = unetscope.train(
        [(image_of(image), image_of(labels)) for image, labels in layers[2:]],
        arguments.out / "run",
        settings={"training.minutes": arguments.minutes},
        on_epoch=lambda epoch: print(f"epoch {epoch.epoch}: validation Dice {epoch.val_dice}"),
    )
    model = unetscope.load_model(run.path)
    for image, labels in layers:
        predicted = unetscope.predict(model, image_of(image)).labels
        add_layer(viewer, predicted, kind="labels", name=f"{image.name} prediction", like=image)
        write_mask(arguments.out / f"{image.name}.tif", predicted)
        labels.visible = False

    dock, metrics = viewer.window.add_plugin_dock_widget("unetscope", "5 Metrics")
    metrics.show_run(run.path)
    dock.raise_()
    viewer.window.resize(1280, 720)
    viewer.reset_view()
    viewer.screenshot(arguments.out / "viewer.png", canvas_only=False, flash=False)
    print(f"wrote labels and a picture of the viewer to {arguments.out}")
    viewer.close() if arguments.close else napari.run()


if __name__ == "__main__":
    main()
