"""Whole folders: predict every image, score every prediction, and write the report."""

from __future__ import annotations

from unetscope.folders.compare import Comparison, compare_folders
from unetscope.folders.index import PredictedFile
from unetscope.folders.predict import predict_files
from unetscope.folders.report import write_report
from unetscope.folders.run import compare_run, image_of_run

__all__ = [
    "Comparison",
    "PredictedFile",
    "compare_folders",
    "compare_run",
    "image_of_run",
    "predict_files",
    "write_report",
]
