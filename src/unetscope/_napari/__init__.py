"""The napari plugin: the only place that knows napari and Qt.

```
files/  readers, writers, samples                    app.py  commands.py
dataset/ ─► normalize/ ─► train/ ─► predict/ ─► metrics/     a room per step: what it knows, and its widget
   each on:  session.py (what the steps know together) · parts/ (what widgets are made of)
             jobs/ (threads) · layers/ (layer ↔ Image) · settings.py
             ─► unetscope.api
```
"""
