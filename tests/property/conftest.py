"""No deadlines: the first example of a test may import a library, and machines are slow at times."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unetscope", deadline=None)
settings.load_profile("unetscope")
