"""Images larger than memory: segmented block by block, with the labels of the whole.

A job is a folder beside the result. It holds what was settled about the whole image before the first block,
and one file for each finished block; it is all that a process, here or on another machine, needs to do one
more. When all blocks are there they are put together.
"""

from unetscope.large.predict import LARGE_PIXELS, UNFINISHED, Step, is_large_image, predict_large

__all__ = ["LARGE_PIXELS", "UNFINISHED", "Step", "is_large_image", "predict_large"]
