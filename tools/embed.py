#!/usr/bin/env python3
"""Turns data files into C headers at build time.

    embed.py words NAME IN OUT         an array of strings, one for each line that is no comment
    embed.py assets OUT PATH... IN...  what server/http/assets serves: at each path the file that has
                                       the same place among the files; needs PAYLOAD and ASSET of
                                       its includer
"""
import base64
import hashlib
import pathlib
import re
import sys

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tgz": "application/gzip",
    ".ts": "text/plain; charset=utf-8",
}


def words(name, source, target):
    lines = [line.strip() for line in pathlib.Path(source).read_text().splitlines()]
    strings = [f'    "{line}",' for line in lines if line and not line.startswith("#")]
    write(target, f"static const char *const {name}[] = {{\n" + "\n".join(strings) + "\n};\n")


def byte_rows(content):
    starts = range(0, len(content), 16)
    rows = (" ".join(f"0x{byte:02x}," for byte in content[start:start + 16]) for start in starts)
    return "".join(f"    {row}\n" for row in rows)


def inline_sources(content, element):
    """What a Content-Security-Policy allows for it: what is inline, by hash, or files of ours."""
    inline = rb"<%b(?: type=\"module\")?>(.*?)</%b>" % (element, element)
    parts = re.findall(inline, content, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(part).digest()).decode() for part in parts]
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'self'"


def asset(index, path, source):
    """The two declarations of a file: its content, and what is told of it."""
    content = pathlib.Path(source).read_bytes()
    is_page = source.endswith(".html")
    script, style = (inline_sources(content, element) if is_page else "'self'"
                     for element in (b"script", b"style"))
    etag = hashlib.sha256(content).hexdigest()[:32]
    content_type = CONTENT_TYPES[pathlib.Path(source).suffix]
    body = f"PAYLOAD(asset_{index}, {len(content)},\n{byte_rows(content)})\n"
    strings = ", ".join(f'"{text}"' for text in (path, content_type, f'\\"{etag}\\"', script, style))
    return body, f"    ASSET(asset_{index}, {strings}),\n"


def assets(target, *paths_and_sources):
    half = len(paths_and_sources) // 2
    pairs = zip(paths_and_sources[:half], paths_and_sources[half:])
    bodies, entries = zip(*(asset(index, *pair) for index, pair in enumerate(pairs)))
    table = "static const struct asset assets[] = {\n" + "".join(entries) + "};\n"
    write(target, "".join(bodies) + table)


def write(target, text):
    pathlib.Path(target).write_text("/* Made by the build; do not edit. */\n" + text)


{"words": words, "assets": assets}[sys.argv[1]](*sys.argv[2:])
