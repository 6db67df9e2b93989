"""A model and an image in, labels and probabilities on the image's own grid out."""

from unetscope.inference.predict import Prediction, labels_from, predict_image, predict_probabilities

__all__ = ["Prediction", "labels_from", "predict_image", "predict_probabilities"]
