"""The U-Net."""

from unetscope.network.convolution import Convolution2d, Convolution3d
from unetscope.network.fold import for_inference
from unetscope.network.memory import kept_memory
from unetscope.network.outputs import activate, class_logits, network_for
from unetscope.network.unet import UNet, central

__all__ = [
    "Convolution2d",
    "Convolution3d",
    "UNet",
    "activate",
    "central",
    "class_logits",
    "for_inference",
    "kept_memory",
    "network_for",
]
