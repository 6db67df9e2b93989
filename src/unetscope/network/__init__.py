"""The U-Net."""

from unetscope.network.fold import for_inference
from unetscope.network.outputs import activate, class_logits, network_for
from unetscope.network.unet import UNet, central

__all__ = ["UNet", "activate", "central", "class_logits", "for_inference", "network_for"]
