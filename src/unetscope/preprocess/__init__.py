"""Normalization, geometry and targets: NumPy in, NumPy out."""

from unetscope.preprocess.frames import join_frames, split_frames
from unetscope.preprocess.geometry import GridTransform, center_crop, center_paste, resize
from unetscope.preprocess.normalize import Scaling, fit, fit_dataset, normalize
from unetscope.preprocess.objects import median_diameter, object_distances, object_rims, separate_objects
from unetscope.preprocess.prepare import Preparation
from unetscope.preprocess.targets import IGNORED, class_values, is_labeled, to_classes, true_labels

__all__ = [
    "IGNORED",
    "GridTransform",
    "Preparation",
    "Scaling",
    "center_crop",
    "center_paste",
    "class_values",
    "fit",
    "fit_dataset",
    "is_labeled",
    "join_frames",
    "median_diameter",
    "normalize",
    "object_distances",
    "object_rims",
    "resize",
    "separate_objects",
    "split_frames",
    "to_classes",
    "true_labels",
]
