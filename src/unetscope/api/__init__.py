"""What command line, plugin and scripts call: read, normalize, train, predict, evaluate.

Importing this package loads neither torch nor matplotlib; training and prediction load torch when they
are called.
"""

from unetscope.api.data import Data, fingerprint, left_out, load_examples, plan, plan_examples
from unetscope.api.prediction import evaluate, load_model, normalize, predict, time_points
from unetscope.api.training import Training, prepare_resume, prepare_training, resume, train
from unetscope.io import find_pairs, read, read_mask

__all__ = [
    "Data",
    "Training",
    "evaluate",
    "find_pairs",
    "fingerprint",
    "left_out",
    "load_examples",
    "load_model",
    "normalize",
    "plan",
    "plan_examples",
    "predict",
    "prepare_resume",
    "prepare_training",
    "read",
    "read_mask",
    "resume",
    "time_points",
    "train",
]
