"""Layer ↔ `Image`, and where a result lies."""
