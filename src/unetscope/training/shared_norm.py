"""Batch normalization over the samples of all processes of a team (`torch.nn.SyncBatchNorm` knows no CPU)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from unetscope.training.team import ALONE, Team

__all__ = ["share_statistics"]


def share_statistics(network: nn.Module, team: Team) -> None:
    """Let a network's batch norms take mean and variance over the whole batch of a team.

    Parameters
    ----------
    network : Module
        Changed in place. The names of its weights stay, and in evaluation mode it computes what it did.
    team : Team
    """
    for module in list(network.modules()):
        if isinstance(module, _SharedNorm):
            module.team = team
        for name, child in list(module.named_children()):
            if type(child) in _SHARED:
                setattr(module, name, _shared(child, team))


def _shared(norm: Any, team: Team) -> nn.Module:
    shared: Any = _SHARED[type(norm)](norm.num_features, norm.eps, norm.momentum)
    for name, parameter in norm.named_parameters():
        setattr(shared, name, parameter)
    for name, buffer in norm.named_buffers():
        setattr(shared, name, buffer)
    shared.team = team
    return shared.train(norm.training)


class _SharedNorm:
    """What the batch norms of images and of volumes have in common; mixed into those of torch."""

    team = ALONE

    def forward(self: Any, features: Tensor) -> Tensor:
        """(B, C, *grid) to the same, normalized per channel."""
        if not self.training:
            return super().forward(features)  # type: ignore[misc]
        settings = (self.eps, self.team)
        result, mean, variance, count = _Normalize.apply(features, self.weight, self.bias, settings)
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            # Without bias, as torch keeps it.
            self.running_var.lerp_(variance * (count / (count - 1).clamp(min=1)).float(), self.momentum)
        return result


class _SharedNorm2d(_SharedNorm, nn.BatchNorm2d):
    pass


class _SharedNorm3d(_SharedNorm, nn.BatchNorm3d):
    pass


_SHARED: dict[type[nn.Module], Any] = {nn.BatchNorm2d: _SharedNorm2d, nn.BatchNorm3d: _SharedNorm3d}


class _Normalize(torch.autograd.Function):
    """Normalization whose statistics, and their gradients, are those of all processes.

    The gradient is that of Ioffe and Szegedy 2015 (arXiv:1502.03167), with sums over the team.
    """

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, settings: tuple[float, Team]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        epsilon, team = settings
        mean, variance, count = _statistics(features, team)
        ctx.save_for_backward(features, weight, mean, torch.rsqrt(variance + epsilon), count)
        ctx.team = team
        ctx.mark_non_differentiable(mean, variance, count)
        result = functional.batch_norm(features, mean, variance, weight, bias, training=False, eps=epsilon)
        return result, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, mean, scale, count = ctx.saved_tensors
        shape, axes = _per_channel(features)
        gradient = gradients[0].float()
        centered = features.float() - mean.view(shape)
        of_bias, of_weight = gradient.sum(axes), (gradient * centered).sum(axes) * scale
        means = (ctx.team.total(torch.stack([of_bias, of_weight])) / count).float()
        # (gradient − mean gradient − normalized · mean of gradient · normalized) · weight · scale
        factor = weight * scale
        of_features = centered.mul_((-factor * scale * means[1]).view(shape))
        of_features.sub_((factor * means[0]).view(shape)).addcmul_(gradient, factor.view(shape))
        # Of the weights only this process's part: all gradients of weights are added up at the end of a step.
        return of_features.to(features.dtype), of_weight, of_bias, None


def _statistics(features: Tensor, team: Team) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,), variance (C,) with bias, and number of values per channel, over all processes."""
    shape, axes = _per_channel(features)
    channels = features.shape[1]
    values = features.numel() // channels
    if values:
        mean = features.float().mean(axes)
        # Several times as fast as `torch.var`, which makes no use of how images lie in memory.
        variance = (features - mean.view(shape)).square_().mean(axes)
    else:
        variance = mean = features.new_zeros(channels, dtype=torch.float32)
    # In double precision and not as sums of squares, from which a large mean would leave little.
    rows = team.rows(torch.cat([mean, variance, mean.new_full((1,), values)]).double())
    means, variances, counts = rows.split([channels, channels, 1], dim=1)
    count = counts.sum()
    mean = (means * counts).sum(0) / count
    variance = ((variances + (means - mean) ** 2) * counts).sum(0) / count
    return mean.float(), variance.float(), count


def _per_channel(features: Tensor) -> tuple[tuple[int, ...], list[int]]:
    """How values per channel are viewed to go with features, and the axes that are summed over."""
    return (1, -1, *[1] * (features.ndim - 2)), [axis for axis in range(features.ndim) if axis != 1]
