#!/usr/bin/env python3
"""Turns data files into C headers at build time.

    embed.py words NAME IN OUT   an array of strings, one for each line that is no comment
    embed.py page NAME IN OUT    an array of bytes, the whole file, and NAME_SCRIPT_HASH: its inline
                                 script as a Content-Security-Policy names it
"""
import base64
import hashlib
import re
import sys


def words(name, text):
    lines = [line.strip() for line in text.decode().splitlines()]
    strings = [f'    "{line}",' for line in lines if line and not line.startswith("#")]
    return f"static const char *const {name}[] = {{\n" + "\n".join(strings) + "\n};\n"


def page(name, content):
    script = re.search(rb"<script>(.*?)</script>", content, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    rows = []
    for start in range(0, len(content), 16):
        rows.append("    " + " ".join(f"0x{byte:02x}," for byte in content[start:start + 16]))
    array = f"static const unsigned char {name}[] = {{\n" + "\n".join(rows) + "\n};\n"
    return f'#define {name.upper()}_SCRIPT_HASH "sha256-{digest}"\n' + array


def main():
    kind, name, source, target = sys.argv[1:]
    with open(source, "rb") as file:
        content = file.read()
    with open(target, "w") as file:
        file.write("/* Made by the build; do not edit. */\n")
        file.write({"words": words, "page": page}[kind](name, content))


main()
