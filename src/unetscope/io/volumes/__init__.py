"""Volumes of medical imaging: NIfTI and NRRD."""
