"""From examples to a model: split, samples, augmentation, losses, the loop, and the run folder."""
