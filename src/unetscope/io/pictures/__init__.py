"""Pictures: PNG, JPEG, GIF, BMP, TIFF and OME-Zarr."""
