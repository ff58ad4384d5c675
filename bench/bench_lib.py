"""What bench/run and bench/versus share: servers, the load generator, rounds, Markdown.

Standard library only. Every figure is a median over rounds, and in each round all contestants take
their turn. The reason: the speed of a machine (a virtual one above all) drifts more than the
contestants differ. Ratios are medians of the ratios within a round. When other programs had the
processors during a run, the run is made again.
"""

import datetime
import json
import math
import os
import platform
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RELAY = "build/release/party-sockets"
FLOOR = "build/release/bench/party-floor"
GENERATOR = "build/release/bench/party-bench"
CERTIFICATE = "build/release/bench/cert.pem"
KEY = "build/release/bench/key.pem"

SERVER_CORE = {0}
GENERATOR_CORE = {1}
BOTH_CORES = {0, 1}

# (rooms, clients of each, broadcasts in flight, payload)
LOCKSTEP = (
    (100, 8, 1, 80),
    (100, 8, 16, 80),
    (1000, 5, 1, 80),
    (10, 2, 1, 80),
    (100, 8, 1, 1024),
    (100, 8, 1, 65536),
)

START_SECONDS_MAX = 20
WARM_UP_SECONDS = 0.3
OTHERS_SHARE_MAX = 0.05  # of one core: what other programs may use during an undisturbed run
ATTEMPTS_MAX = 3
ATTEMPT_SECONDS_MAX = 15  # a longer attempt is not made again


class Failure(Exception):
    """Something outside of this program is wrong; the message says what."""


def cores_text(cores):
    return ",".join(str(core) for core in sorted(cores))


def pinned(cores):
    """The words of a command line that pin its process, as sched_setaffinity does here."""
    return ["taskset", "-c", cores_text(cores)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server that runs while the `with` block does.

    A free port replaces `{port}` in the command, and the server has started when that port accepts.
    Without `{port}`, the first line that the server prints ends with its address.
    """

    def __init__(self, command, cores=SERVER_CORE, protocol="1"):
        self.command = command
        self.cores = cores
        self.protocol = protocol
        self.scheme = "wss" if CERTIFICATE in command else "ws"
        self.shown = shlex.join(pinned(cores) + command).replace("'{port}'", "{port}")
        self.process = None
        self.port = None

    def __enter__(self):
        has_port = any("{port}" in word for word in self.command)
        self.port = free_port() if has_port else None
        self.process = subprocess.Popen(
            [word.replace("{port}", str(self.port)) for word in self.command],
            cwd=ROOT,
            stdout=subprocess.DEVNULL if has_port else subprocess.PIPE,
            stderr=subprocess.DEVNULL if has_port else None,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, self.cores),
        )
        try:
            if has_port:
                self.wait_until_it_accepts()
            else:
                self.read_port()
        except Failure:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def read_port(self):
        line = self.process.stdout.readline()
        address, _, port = line.strip().rpartition(":")
        if not address or not port.isdigit():
            raise Failure(f"{self.shown}: did not start, it said {line!r}")
        self.port = int(port)

    def wait_until_it_accepts(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failure(f"{self.shown}: does not accept on port {self.port}")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def relay(*options, poller="auto", loops=1, rate=0, cores=SERVER_CORE, protocol="1"):
    """The relay. Its limit on a sender's rate is off; with `rate` None it has its default."""
    limit = [] if rate is None else ["--max-message-rate", str(rate), "--max-byte-rate", "0"]
    words = [RELAY, "--port", "0", "--loops", str(loops), "--poller", poller, *limit, *options]
    return Server(words, cores, protocol)


def floor(poller, frame_lengths, clients, *options):
    """The floor, for rooms of `clients` and for the (in, out) of `frame_lengths()`."""
    length_in, length_out = frame_lengths
    lengths = ["--clients", str(clients), "--in", str(length_in), "--out", str(length_out)]
    words = [FLOOR, "--port", "0", "--poller", poller, *lengths, *options]
    return Server(words, protocol="floor")


def tls_options():
    """Options of relay and floor for TLS, with a key of the kind that browsers meet most (ECDSA, P-256)."""
    if not os.path.exists(os.path.join(ROOT, CERTIFICATE)):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", KEY]
        words = ["openssl", "req", "-x509", *key, "-days", "3650", "-subj", "/CN=bench", "-out", CERTIFICATE]
        subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
    return ["--tls-cert", CERTIFICATE, "--tls-key", KEY]


def options_text(options):
    """{"in_flight": 4} as ["--in-flight", "4"]; True is a flag."""
    words = []
    for name, value in options.items():
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return words


def frame_lengths(payload):
    words = [GENERATOR, "lockstep", "--protocol", "floor", "--payload", str(payload)]
    said = subprocess.run(
        words + ["--print-lengths"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    length_in, length_out = said.stdout.split()
    return int(length_in), int(length_out)


def busy_seconds():
    """Seconds that all processors together were not idle since boot."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, interrupt, soft_interrupt, steal = file.readline().split()[1:9]
    spent = sum(map(int, (user, nice, system, interrupt, soft_interrupt, steal)))
    return spent / os.sysconf("SC_CLK_TCK")


class Play:
    """One scenario of the load generator, which servers play."""

    def __init__(self, scenario, cores=GENERATOR_CORE, **options):
        self.scenario = scenario
        self.cores = cores
        self.options = {"warm_up": WARM_UP_SECONDS, **options}

    def words(self, protocol, extra):
        chosen = {} if protocol == "1" else {"protocol": protocol}
        return [GENERATOR, self.scenario, *options_text({**chosen, **self.options, **extra})]

    def shown(self, server):
        words = self.words(server.protocol, {"url": f"{server.scheme}://127.0.0.1:PORT", "pid": "PID"})
        return shlex.join(pinned(self.cores) + words)

    def begin(self, server, result_file):
        where = {"url": f"{server.scheme}://127.0.0.1:{server.port}", "pid": server.process.pid}
        words = self.words(server.protocol, {**where, "json": result_file, "quiet": True})
        return subprocess.Popen(
            words,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, self.cores),
        )

    def once(self, server, meanwhile=None):
        """The results of one run; `meanwhile(server)` is called while it plays."""
        with tempfile.NamedTemporaryFile("r", suffix=".json") as result_file:
            before = busy_seconds() - server.cpu_seconds()
            began = time.monotonic()
            process = self.begin(server, result_file.name)
            told = meanwhile(server) if meanwhile else None
            complaint = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            process.stderr.close()
            if process.returncode != 0:
                raise Failure(f"{self.shown(server)}: {complaint.strip()}")
            others = busy_seconds() - server.cpu_seconds() - before
            others -= usage.ru_utime + usage.ru_stime
            result = json.load(result_file)
        result["others_share"] = others / (time.monotonic() - began)
        result["meanwhile"] = told
        return result

    def run(self, make_server):
        """Plays against a fresh server, again while other programs disturb it; the best attempt.

        A run that fails has no figures. The functions below take that for "not known".
        """
        best = None
        for _ in range(ATTEMPTS_MAX):
            began = time.monotonic()
            server = make_server()
            commands = [server.shown, self.shown(server)]
            try:
                with server:
                    result = {**self.once(server), "commands": commands}
            except Failure as failure:
                print(f"FAILED: {failure}", file=sys.stderr, flush=True)
                return {"failure": str(failure), "commands": commands}
            if best is None or result["others_share"] < best["others_share"]:
                best = result
            is_long = time.monotonic() - began > ATTEMPT_SECONDS_MAX
            if best["others_share"] < OTHERS_SHARE_MAX or is_long:
                break
        return best


def start_times(command, rounds):
    """Starts a command `rounds` times, with {port} replaced. The processes are not pinned."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as result_file:
        words = [GENERATOR, "startup", "--command", command, "--rounds", str(rounds)]
        said = subprocess.run(
            [*words, "--json", result_file.name, "--quiet"], cwd=ROOT, capture_output=True, text=True
        )
        if said.returncode != 0:
            raise Failure(f"{shlex.join(words)}: {said.stderr.strip()}")
        result = json.load(result_file)
    result["commands"] = [shlex.join(words)]
    return result


def in_turn(rounds, contestants):
    """Calls each of {name: function} once a round (A B A B). Gives {name: [result of each round]}."""
    results = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            results[name].append(measure())
    return results


def pick(results, *path):
    """One figure of each round; None for a run without this figure."""
    figures = []
    for result in results:
        for step in path:
            result = result.get(step) if isinstance(result, dict) else None
        figures.append(result)
    return figures


def median(figures):
    known = [figure for figure in figures if figure is not None]
    return statistics.median(known) if known else None


def ratios(figures, references):
    """The ratio of each round."""
    pairs = zip(figures, references)
    return [a / b for a, b in pairs if a is not None and b]


def interval(figures):
    """The median, and the interval that holds the true one with 95 % (by order, from six figures on)."""
    known = sorted(figure for figure in figures if figure is not None)
    below = 0  # so many of the lowest, and of the highest, are outside
    chance = 0.0
    while chance + math.comb(len(known), below) / 2 ** len(known) <= 0.025:
        chance += math.comb(len(known), below) / 2 ** len(known)
        below += 1
    if below == 0:
        return spread(figures)
    return f"{number(median(known))} ({number(known[below - 1])} to {number(known[-below])})"


def number(value):
    """Three significant digits; large numbers are whole, with their thousands separated."""
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 99.95:
        return f"{value:,.0f}"
    decimals = 1 if abs(value) >= 9.995 else 2
    while abs(value) < 0.9995 * 10 ** (2 - decimals) and decimals < 6:
        decimals += 1
    return f"{value:.{decimals}f}"


def largest(figures):
    known = [figure for figure in figures if figure is not None]
    return max(known) if known else None


def spread(figures):
    """The median, with the lowest and the highest figure."""
    known = [figure for figure in figures if figure is not None]
    if not known:
        return "-"
    return f"{number(median(known))} ({number(min(known))} to {number(max(known))})"


def percent(share):
    return "-" if share is None else f"{share * 100:.1f} %"


def table(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def commands(pairs):
    """The commands of a table's rows, {label: [command...]}. Each command is printed once."""
    lines = []
    for label, words in pairs.items():
        new = [line for line in words if line not in lines]
        lines += [f"# {label}", *new] if new else []
    return "\n```sh\n" + "\n".join(lines) + "\n```\n"


def quality(results):
    """What a reader must know about the runs before trusting the figures."""
    shares = [share for share in pick(results, "others_share") if share is not None]
    disturbed = sum(share > OTHERS_SHARE_MAX for share in shares)
    lines = [
        f"{len(results)} runs. In {disturbed} of them other programs had more than",
        f"{OTHERS_SHARE_MAX:.0%} of a core, in each of up to {ATTEMPTS_MAX} attempts.",
    ]
    for failure in sorted({text for text in pick(results, "failure") if text}):
        lines.append(f"\nFailed: {failure}")
    return "\n".join(lines)


class SystemCalls:
    """Counts the system calls of a server while it plays, with perf, where perf is allowed."""

    SECONDS = 0.5

    def __init__(self):
        self.why_not = None
        if shutil.which("perf") is None:
            self.why_not = "perf is not installed (Debian: linux-perf)"
        elif self.counted(["true"]) is None:
            self.why_not = "perf may not count raw_syscalls:sys_enter here (it wants root)"

    @staticmethod
    def counted(words):
        """The number that perf counts while it runs `words`; None when perf can't count."""
        perf = ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter"]
        said = subprocess.run([*perf, *words], capture_output=True, text=True)
        for line in said.stderr.splitlines():
            if "raw_syscalls:sys_enter" in line and line.split(",")[0].isdigit():
                return int(line.split(",")[0])
        return None

    def per_delivery(self, play, make_server, setup_seconds):
        """Counts in a run of its own, without other measurements. None when the count is not known."""
        if self.why_not or setup_seconds is None:
            return None
        longer = Play(play.scenario, play.cores, **{**play.options, "duration": 4 * self.SECONDS})
        wait = setup_seconds + WARM_UP_SECONDS + self.SECONDS

        def count(server):
            time.sleep(wait)
            pid = str(server.process.pid)
            return self.counted(["-p", pid, "--", "sleep", str(self.SECONDS)])

        with make_server() as server:
            result = longer.once(server, count)
        calls = result["meanwhile"]
        if not calls or not result["deliveries_per_second"]:
            return None
        return calls / self.SECONDS / result["deliveries_per_second"]


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def machine_line():
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    with open("/proc/meminfo") as file:
        gigabytes = int(file.readline().split()[1]) / 1024 / 1024
    return (
        f"{processor()}, {os.cpu_count()} processors, {gigabytes:.0f} GB; "
        f"Linux {platform.release()}; commit {commit or 'unknown'}; {datetime.date.today()}"
    )


def check_machine():
    """Raises Failure when this machine can't measure."""
    if not BOTH_CORES <= os.sched_getaffinity(0):
        raise Failure("two processors are needed, 0 and 1: one for the server, one for the load")
    for program in (RELAY, FLOOR, GENERATOR):
        if not os.access(os.path.join(ROOT, program), os.X_OK):
            raise Failure(f"{program} is missing: run `make bench`, which builds it")
