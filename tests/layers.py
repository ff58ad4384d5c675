#!/usr/bin/env python3
"""Fails on a wrong arrow between layers, or between the files of src/server: reads the #include lines of src/.
Prints TAP."""
import pathlib
import re
import sys

ALLOWED = {
    "base": {"base"},
    "proto": {"base", "proto"},
    "relay": {"base", "proto", "relay"},
    "cluster": {"base", "proto", "cluster"},
    "net": {"base", "net"},
    "store": {"base", "store"},
    "bus": {"base", "bus"},
    "server": {"base", "proto", "relay", "cluster", "net", "store", "bus", "server"},
}
# `proto`, `relay`, `cluster` and `base` must not reach the kernel. <arpa/inet.h> is text to address and back.
FORBIDDEN_HEADERS = re.compile(r"include\s*<(sys/|unistd|pthread|time\.h|errno|netinet|net/)")
PURE = {"base", "proto", "relay", "cluster"}

# Within src/server a file includes only what stands in a line above its own: so there is no cycle.
SERVER_ORDER = """
    limits
    bucket counters notices peers show_state token_check version http/qr
    stats config conn history makers newcomers origins subnets http/answer_cache
    config_options
    config_read config_values
    handles
    loop health_check
    links
    codes recorder
    recorder_parts
    recorder_engine recorder_keys recorder_opening recorder_turn
    drain egress eviction http/metrics http/stats_json
    admission
    allowance conn_out relay_services http/page_origin
    edge_parts
    budget conn_life edge perform transport http/gather http/response
    handover handover_fields handover_output
    edge_return handover_write messages records http/assets http/instances http/lookup http/pages
    http/routes yielding
    conn_in home
    deadlines settle
    handover_restore handover_threads remote stopping
    resting revival
    mail node_parts
    node_keeper node_keys node_leases node_messages node_pulse node_recorder node_yields
    node
    turn
    hold
    loop_thread
    server
    ticket_file upgrade
    watch
"""
RANKS = {name: rank for rank, line in enumerate(SERVER_ORDER.split("\n")) for name in line.split()}

source = pathlib.Path(__file__).resolve().parent.parent / "src"


INCLUDE = re.compile(r"""\s*#\s*include\s*[<"]([^">]+)[">]""")


def includes(path):
    """Line numbers, lines, and what they include: a path below src, or None for what is not of ours."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        for folder in (path.parent, source):
            target = (folder / found[1]).resolve()
            if target.is_file() and source in target.parents:
                yield number, line, target.relative_to(source)
                break
        else:
            yield number, line, None


def faults(layer):
    for path in sorted((source / layer).rglob("*.[ch]")):
        for number, line, target in includes(path):
            if target and target.parts[0] not in ALLOWED[layer]:
                yield f"{path.name}:{number} includes {target}"
            if layer in PURE and FORBIDDEN_HEADERS.search(line):
                yield f"{path.name}:{number} reaches for the system: {line}"


def faults_within_server():
    server = source / "server"
    for path in sorted(server.rglob("*.[ch]")):
        name = str(path.relative_to(server).with_suffix(""))
        if name not in RANKS:
            yield f"{name} is not in the order"
            continue
        for number, _, target in includes(path):
            if not target or target.parts[0] != "server":
                continue
            included = str(target.relative_to("server").with_suffix(""))
            if included != name and RANKS.get(included, 0) >= RANKS[name]:
                yield f"{path.name}:{number} includes {included}, which is not below it"


checks = [(f"{layer} includes only what it may", faults(layer)) for layer in ALLOWED]
checks.append(("files of server include only what is below them", faults_within_server()))
wrong = 0
print(f"1..{len(checks)}")
for index, (what, found) in enumerate(checks, 1):
    found = list(found)
    wrong += len(found)
    print(f"{'not ok' if found else 'ok'} {index} - {what}")
    for fault in found:
        print(f"# {fault}")
sys.exit(1 if wrong else 0)
