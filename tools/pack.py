#!/usr/bin/env python3
"""Packs a folder as `npm pack` does: what its package.json lists, and what npm always adds.

    pack.py FOLDER OUT

The same files give the same bytes: no file has a time, an owner or a mode of this machine.
"""
import gzip
import io
import json
import pathlib
import sys
import tarfile

ALWAYS = ["package.json", "LICENSE"]
TIME = 499162500  # the one that npm gives every file


def pack(folder, target):
    folder = pathlib.Path(folder)
    listed = json.loads((folder / "package.json").read_text())["files"]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted({*ALWAYS, *listed}):
            content = (folder / name).read_bytes()
            member = tarfile.TarInfo(f"package/{name}")
            member.size, member.mtime, member.mode = len(content), TIME, 0o644
            tar.addfile(member, io.BytesIO(content))
    pathlib.Path(target).write_bytes(gzip.compress(archive.getvalue(), mtime=0))


pack(*sys.argv[1:])
