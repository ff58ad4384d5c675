#!/usr/bin/env python3
"""Takes what `meson test` noted apart: testlog.py TESTLOG.json FOLDER

Writes the output of each test to FOLDER, and prints a line for each: its suite/name, its status, the file."""
import json
import pathlib
import sys

testlog, folder = map(pathlib.Path, sys.argv[1:])
for line in testlog.read_text().splitlines():
    test = json.loads(line)
    name = test["name"].replace(" / ", "/").split(":")[-1]
    log = folder / f"{name.replace('/', '-')}.log"
    log.write_text(test.get("stdout", "") + test.get("stderr", ""))
    print(name, test["returncode"], log)
