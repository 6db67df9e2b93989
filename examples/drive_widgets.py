"""Do by script what a person does in the five widgets, while the window stays alive.

python examples/drive_widgets.py --minutes 1 --out results

Each method that is called here is what a button does.
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
    parser.add_argument("--minutes", type=float, default=1.0, help="training time")
    parser.add_argument("--out", type=Path, default=Path("results"), help="a new or empty folder")
    parser.add_argument("--close", action="store_true", help="close the window at the end")
    arguments = parser.parse_args()

    viewer = open_viewer([heart / "test" / "SAMPLE-B_0008.dcm"])
    dataset, _, train, predict, metrics = viewer.window.dock_widgets.values()

    dataset.open(heart / "training")
    wait_for(dataset.job.finished)

    train.session.begin_with("auto", {"training.minutes": arguments.minutes})
    train.run_folder.path.setText(str(arguments.out / "run"))
    train.process.recorded.connect(lambda epochs: print(f"epoch {epochs[-1]['epoch']}"))
    train.start()
    if train.busy:
        wait_for(train.idle)
    if train.session.run is None:
        raise SystemExit(f"{dataset.status.text()} {train.status.text()}")

    image = viewer.layers["SAMPLE-B_0008"]
    viewer.layers.selection = {image}
    predict.segment()
    wait_for(predict.job.finished)
    viewer.layers[f"{image.name} prediction"].save(str(arguments.out / "labels.tif"), plugin="unetscope")

    metrics.show_run(train.session.run)
    metrics.table.choose_worst()
    metrics.parent().raise_()
    print(f"{train.status.text()} {predict.status.text()}")
    viewer.close() if arguments.close else napari.run()


if __name__ == "__main__":
    main()
