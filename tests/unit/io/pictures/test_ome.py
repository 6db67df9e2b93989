"""OME-TIFF: files that belong together, and nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from unetscope.errors import ReadError
from unetscope.io import read

OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}">
<Image ID="Image:0" Name="a"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="5" SizeY="4"
 SizeZ="2" SizeC="1" SizeT="1" PhysicalSizeX="0.5" PhysicalSizeY="0.5" PhysicalSizeZ="2">
<Channel ID="Channel:0:0" SamplesPerPixel="1"/>
<TiffData IFD="0" FirstZ="0" PlaneCount="1"><UUID FileName="{first}">urn:uuid:1</UUID></TiffData>
<TiffData IFD="0" FirstZ="1" PlaneCount="1"><UUID FileName="{second}">urn:uuid:2</UUID></TiffData>
</Pixels></Image></OME>"""


def write_ome_set(folder: Path, first: str = "a.ome.tif", second: str = "b.ome.tif") -> Path:
    for name, own in (("a.ome.tif", 1), ("b.ome.tif", 2)):
        description = OME.format(own=own, first=first, second=second).encode()
        values = np.full((4, 5), own, np.uint8)
        tifffile.imwrite(folder / name, values, description=description, metadata=None, ome=False)
    return folder / "a.ome.tif"


def test_ome_files_that_belong_together(tmp_path):
    path = write_ome_set(tmp_path)
    for name in ("a.ome.tif", "b.ome.tif"):
        image = read(tmp_path / name)
        assert (image.axes, image.spacing, image.units) == ("ZYX", (2, 0.5, 0.5), "µm")
        assert image.data[:, 0, 0].tolist() == [1, 2]
        assert image.source.files == (path, tmp_path / "b.ome.tif")
    (tmp_path / "b.ome.tif").unlink()
    with pytest.raises(ReadError, match=r"part of a set of OME files, of which b\.ome\.tif is missing"):
        read(path)


@pytest.mark.parametrize(
    "name", ["../b.ome.tif", "/etc/passwd", "x/b.ome.tif", r"..\b.ome.tif", "C:b.tif", ".."]
)
def test_ome_files_lie_beside_each_other(tmp_path, name):
    path = write_ome_set(tmp_path, second=name)
    with pytest.raises(ReadError, match="refers to a file in another folder"):
        read(path)


def test_ome_companion_file(tmp_path):
    write_ome_set(tmp_path)
    (tmp_path / "set.companion.ome").write_text(OME.format(own=9, first="a.tif", second="b.tif"))
    names = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    for own, name in ((1, "a.tif"), (2, "b.tif")):
        reference = f'MetadataFile="set.companion.ome" UUID="urn:uuid:{own}"'
        tifffile.imwrite(
            tmp_path / name,
            np.full((4, 5), own, np.uint8),
            description=f'<OME {names} UUID="urn:uuid:{own}"><BinaryOnly {reference}/></OME>',
            metadata=None,
        )
    for name in ("a.tif", "b.tif"):
        image = read(tmp_path / name)
        assert (image.axes, image.spacing) == ("ZYX", (2, 0.5, 0.5))
        assert image.data[:, 0, 0].tolist() == [1, 2]
    (tmp_path / "set.companion.ome").unlink()
    with pytest.raises(ReadError, match=r"set\.companion\.ome is missing"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["OME", "DataObject"])
def test_entities_are_never_expanded(tmp_path, name):
    bomb = f'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><{name}>&b;</{name}>'
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.uint8), description=bomb, metadata=None)
    with pytest.raises(ReadError, match="its XML declares entities"):
        read(tmp_path / "a.tif")
