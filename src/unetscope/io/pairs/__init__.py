"""Images and their masks: found by name or in a table, read once, checked."""

from __future__ import annotations

from unetscope.io.pairs.conventions import Unpaired
from unetscope.io.pairs.pairing import Pair, Pairing, find_pairs, list_images, match_masks

__all__ = ["Pair", "Pairing", "Unpaired", "find_pairs", "list_images", "match_masks"]
