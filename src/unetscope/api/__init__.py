"""What command line, plugin and scripts call: read, normalize, train, predict, evaluate.

Importing this package loads neither torch nor matplotlib; training and prediction load torch when they
are called.
"""

from unetscope.api.checks import Check, Look, check_examples, look_at
from unetscope.api.data import (
    Data,
    before_planning,
    fingerprint,
    left_out,
    load_examples,
    plan,
    plan_examples,
)
from unetscope.api.images import Histogram, Preview, histogram, normalize, prepare, preview
from unetscope.api.models import find_model, load_model, model_name, publish_model, read_card, shipped_models
from unetscope.api.prediction import evaluate, outcome_colors, outcomes, predict, time_points
from unetscope.api.start import StartModel
from unetscope.api.training import Training, find_recipe, prepare_resume, prepare_training, resume, train
from unetscope.io import find_pairs, read, read_mask

__all__ = [
    "Check",
    "Data",
    "Histogram",
    "Look",
    "Preview",
    "StartModel",
    "Training",
    "before_planning",
    "check_examples",
    "evaluate",
    "find_model",
    "find_pairs",
    "find_recipe",
    "fingerprint",
    "histogram",
    "left_out",
    "load_examples",
    "load_model",
    "look_at",
    "model_name",
    "normalize",
    "outcome_colors",
    "outcomes",
    "plan",
    "plan_examples",
    "predict",
    "prepare",
    "prepare_resume",
    "prepare_training",
    "preview",
    "publish_model",
    "read",
    "read_card",
    "read_mask",
    "resume",
    "shipped_models",
    "time_points",
    "train",
]
