"""Do by script what a person does in the five widgets, while the window stays alive.

python examples/drive_widgets.py --minutes 1 --out results

Each method that is called here is what a button does; tests and screenshots can be made in this way.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QEventLoop

from unetscope.samples import sample_folder
from unetscope.viewer import open_viewer


def wait_for(signal: Any) -> None:
    """Let the viewer work until a signal comes."""
    loop = QEventLoop()
    signal.connect(loop.quit)
    loop.exec()


def main() -> None:
    heart = sample_folder("heart")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=heart / "training", help="images with masks")
    parser.add_argument("--minutes", type=float, default=1.0, help="training time")
    parser.add_argument("--out", type=Path, default=Path("results"), help="a new or empty folder")
    parser.add_argument("--close", action="store_true", help="close the window at the end")
    arguments = parser.parse_args()

    viewer = open_viewer([heart / "test" / "SAMPLE-B_0008.dcm"])
    dataset, train, predict, metrics = (
        viewer.window.add_plugin_dock_widget("unetscope", name)[1]
        for name in ("1 Dataset", "3 Train", "4 Predict", "5 Metrics")
    )

    dataset.open(arguments.images)
    wait_for(dataset.job.finished)
    print(dataset.session.dataset.describe())

    train.session.change({"training.minutes": arguments.minutes})
    train.run_folder.path.setText(str(arguments.out / "run"))
    train.process.recorded.connect(lambda epochs: print(f"{epochs[-1]['epoch']} epochs"))
    train.start()
    wait_for(train.process.ended)
    print(train.status.text())

    # Training has handed its model to Predict, and its scores to Metrics.
    viewer.layers.selection = {viewer.layers["SAMPLE-B_0008"]}
    predict.segment()
    wait_for(predict.job.finished)
    viewer.layers["SAMPLE-B_0008 prediction"].save(str(arguments.out / "labels.tif"))
    metrics.table.choose_worst()
    print(f"{predict.status.text()} {metrics.over.text()}")
    viewer.close() if arguments.close else napari.run()


if __name__ == "__main__":
    main()
