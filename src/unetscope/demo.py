"""The demonstration: sample DICOM files in, a measured segmentation of an unseen patient out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from unetscope import api
from unetscope.folders import compare_folders, predict_files, write_report
from unetscope.io.write import output_folder
from unetscope.samples import sample_folder

__all__ = ["run_demo"]


def run_demo(out: Path, *, minutes: float, overwrite: bool, on_message: Callable[[str], None]) -> str:
    """Train on two made-up patients, predict a third, and write a report.

    Parameters
    ----------
    out : Path
        Folder; gets ``run``, ``predictions`` and ``report``.
    minutes : float
        Training time.
    overwrite : bool
        Whether an earlier demonstration may be replaced.
    on_message : callable
        Told what happens, a sentence at a time.

    Returns
    -------
    str
        The table of scores and where the report lies.

    Raises
    ------
    OutputError
        If the folder holds something already, or cannot be written.
    """
    heart = sample_folder("heart")
    output_folder(out, overwrite=overwrite)
    on_message(f"reading DICOM slices of two patients from {heart / 'training'}")
    training = api.prepare_training(
        heart / "training", out / "run", settings={"training.minutes": minutes}, overwrite=overwrite
    )
    on_message(f"training a U-Net for {minutes:g} minutes on {training.device}")
    for record in training:
        on_message(f"  epoch {record.epoch}: validation Dice {record.val_dice:.3f}" + " *" * record.best)
    training.finish()
    on_message("segmenting the slices of a third patient, whom the training never saw")
    predictions = out / "predictions"
    for _ in predict_files(out / "run", heart / "test", predictions, overwrite=overwrite):
        pass
    comparison = compare_folders(predictions, heart / "test" / "GT")
    report = write_report(comparison, out / "report", history=training.run.history(), overwrite=overwrite)
    return f"{comparison.report.table()}\n\nreport: {report}"
