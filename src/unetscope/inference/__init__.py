"""A model and an image in, labels and probabilities on the image's own grid out."""

from unetscope.inference.labels import Labeling, labels_from
from unetscope.inference.predict import Prediction, object_maps, predict_image, predict_probabilities
from unetscope.inference.progress import Progress

__all__ = [
    "Labeling",
    "Prediction",
    "Progress",
    "labels_from",
    "object_maps",
    "predict_image",
    "predict_probabilities",
]
