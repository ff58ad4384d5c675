#!/usr/bin/env python3
"""Fails on a wrong arrow between layers: reads the #include lines of src/. Prints TAP."""
import pathlib
import re
import sys

ALLOWED = {
    "base": {"base"},
    "proto": {"base", "proto"},
    "relay": {"base", "proto", "relay"},
    "net": {"base", "net"},
    "server": {"base", "proto", "relay", "net", "server"},
}
# `proto`, `relay` and `base` must not reach the kernel. <arpa/inet.h> is text to address and back.
FORBIDDEN_HEADERS = re.compile(r"#include <(sys/|unistd|pthread|time\.h|errno|netinet|net/)")
PURE = {"base", "proto", "relay"}

source = pathlib.Path(__file__).resolve().parent.parent / "src"


def faults(layer):
    for path in sorted((source / layer).rglob("*.[ch]")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            included = re.match(r'#include "(\w+)/', line)
            if included and included[1] not in ALLOWED[layer]:
                yield f"{path.name}:{number} includes {included[1]}"
            if layer in PURE and FORBIDDEN_HEADERS.match(line):
                yield f"{path.name}:{number} reaches for the system: {line}"


wrong = 0
print(f"1..{len(ALLOWED)}")
for index, layer in enumerate(ALLOWED, 1):
    found = list(faults(layer))
    wrong += len(found)
    print(f"{'not ok' if found else 'ok'} {index} - {layer} includes only what it may")
    for fault in found:
        print(f"# {fault}")
sys.exit(1 if wrong else 0)
