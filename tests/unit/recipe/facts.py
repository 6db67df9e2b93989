"""What tests of plans begin with: facts about a plain dataset."""

from __future__ import annotations

from unetscope.recipe.fingerprint import Fingerprint

FACTS = Fingerprint(
    images=30,
    groups=3,
    channels=1,
    gray_in_color=False,
    dtype="uint8",
    smallest=(160, 160),
    largest=(160, 160),
    median=(160, 160),
    spacing=(1.0, 1.0),
    units="pixel",
    labels=(0, 1),
    labeled=1.0,
    foreground=0.1,
    object_diameter=12.0,
    objects_per_image=4.0,
    reach=(0.9, 0.9),
    extreme=0.1,
    numbered=False,
)
