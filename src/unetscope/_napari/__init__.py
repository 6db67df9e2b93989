"""The napari plugin: the only place that knows napari and Qt.

```
napari.yaml ─► readers · writers · samples · commands · widgets
widgets/    ─► session (what they know together) · worker (threads) · training (the other process)
            ─► layers (layer ↔ Image) ─► unetscope.api
```
"""
