"""The dock widgets; each is small, usable alone, and shares the viewer's `Session` with the others."""
