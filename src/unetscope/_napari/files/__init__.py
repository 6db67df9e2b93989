"""Files ↔ layers: what napari's menus open and save."""
