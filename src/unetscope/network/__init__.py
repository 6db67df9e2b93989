"""The U-Net."""

from unetscope.network.unet import UNet

__all__ = ["UNet"]
