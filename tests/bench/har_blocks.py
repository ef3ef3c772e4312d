#!/usr/bin/env python3
"""Splits recordings of activity into files to learn from and files to test on, a folder for each wearer.

    tests/bench/har_blocks.py ../shared/data/har build/har

A recording is an NPZ file with windows `x` and their labels `y`, in the order of time.  Neighbouring windows share half of
their samples.  So every fourth block of ten windows is for the test, and the first window of each block is left out.
"""

import ast
import io
import pathlib
import sys
import zipfile

BLOCK, EVERY = 10, 4


def read(npy):
    """Of an NPY file: its header, how many bytes a row has, and the rows as bytes."""
    if npy[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("not an NPY file of version 1")
    end = 10 + int.from_bytes(npy[8:10], "little")
    header = ast.literal_eval(npy[10:end].decode("latin-1"))
    rows = header["shape"][0]
    if header["fortran_order"] or rows == 0 or (len(npy) - end) % rows != 0:
        raise ValueError("not rows one after the other")
    size = (len(npy) - end) // rows
    return header, [npy[end + i * size : end + (i + 1) * size] for i in range(rows)]


def write(header, rows):
    text = repr({**header, "shape": (len(rows), *header["shape"][1:])})
    text += " " * (63 - (10 + len(text)) % 64) + "\n"  # so that the rows begin at a multiple of 64
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1") + b"".join(rows)


def sides(windows):
    """The numbers of the windows to learn from, and of those to test on."""
    inner = [i for i in range(windows) if i % BLOCK != 0]
    test = [i for i in inner if (i // BLOCK) % EVERY == EVERY - 1]
    return [i for i in inner if i not in set(test)], test


def split(source, into):
    """Writes SITE/train.npz and SITE/test.npz for each SITE.npz in `source`."""
    for file in sorted(pathlib.Path(source).glob("*.npz")):
        with zipfile.ZipFile(file) as recording:
            arrays = {name: read(recording.read(name)) for name in recording.namelist()}
        train, test = sides(len(next(iter(arrays.values()))[1]))
        folder = pathlib.Path(into) / file.stem
        folder.mkdir(parents=True, exist_ok=True)
        for name, indices in (("train", train), ("test", test)):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for array, (header, rows) in arrays.items():
                    archive.writestr(zipfile.ZipInfo(array), write(header, [rows[i] for i in indices]))
            (folder / f"{name}.npz").write_bytes(packed.getvalue())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    split(sys.argv[1], sys.argv[2])
