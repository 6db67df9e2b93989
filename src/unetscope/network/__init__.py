"""The U-Net."""

from unetscope.network.convolution import Convolution
from unetscope.network.fold import for_inference
from unetscope.network.memory import kept_memory
from unetscope.network.outputs import activate, class_logits, network_for
from unetscope.network.unet import UNet, central

__all__ = [
    "Convolution",
    "UNet",
    "activate",
    "central",
    "class_logits",
    "for_inference",
    "kept_memory",
    "network_for",
]
