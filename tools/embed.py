#!/usr/bin/env python3
"""Turns data files into C headers at build time.

    embed.py words NAME IN OUT   an array of strings, one for each line that is no comment
    embed.py text NAME IN OUT    an array of bytes, the whole file
"""
import sys


def words(name, text):
    lines = [line.strip() for line in text.decode().splitlines()]
    strings = [f'    "{line}",' for line in lines if line and not line.startswith("#")]
    return f"static const char *const {name}[] = {{\n" + "\n".join(strings) + "\n};\n"


def text(name, content):
    rows = []
    for start in range(0, len(content), 16):
        rows.append("    " + " ".join(f"0x{byte:02x}," for byte in content[start:start + 16]))
    return f"static const unsigned char {name}[] = {{\n" + "\n".join(rows) + "\n};\n"


def main():
    kind, name, source, target = sys.argv[1:]
    with open(source, "rb") as file:
        content = file.read()
    with open(target, "w") as file:
        file.write("/* Made by the build; do not edit. */\n")
        file.write({"words": words, "text": text}[kind](name, content))


main()
