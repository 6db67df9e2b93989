"""Images and their masks: found by name or in a table, read once, checked."""

from __future__ import annotations

from unetscope.io.pairs.find import find_pairs, list_images, match_masks
from unetscope.io.pairs.matching import Unpaired
from unetscope.io.pairs.table import Pair, Pairing, Role

__all__ = ["Pair", "Pairing", "Role", "Unpaired", "find_pairs", "list_images", "match_masks"]
