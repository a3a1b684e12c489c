#!/usr/bin/env python3
"""Asks a running terminal everything that its own description allows, and much that it forbids, by schemathesis.

The terminal is the demo: the daemon that a box runs, with simulated providers and a simulated PinPad. While it is asked, customers come and go:
they present cards, show codes and pay by phone. What needs a sale that is paid already finds some that were made before. An operation
that was only ever refused fails the run.

usage: run.py SCHEMATHESIS TOLOV
"""

import collections
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from till import Till

HERE = Path(__file__).parent
REQUESTS_MIN = 5_000
# The same requests in every run: what fails on one machine fails on the other.
SEED = 20_260_203
START_MAX_S = 60
RUN_MAX_S = 600
TURNS_MAX = 12
OPTIONS = ["--no-color", "--config-file", HERE / "schemathesis.toml", "run"]
# Of this one nothing is asked but to be there: schemathesis reads the document once, and leaves it out of what it tests.
IS_THE_DOCUMENT = "describeApi"
# Of how many operations it is told how often they were done.
SELDOM = 12
# How often a customer comes.
CUSTOMER_EVERY_S = 0.1


class Demo:
    """`tolov demo`, from its start to its end."""

    def __init__(self, tolov, folder):
        command = [tolov, "demo", "--listen", "127.0.0.1:0", "--dir", folder]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.page = None
        for line in self.process.stdout:
            if found := re.search(r"http://[\d.:]+", line):
                self.page = found.group()
                break
        # Read on, or it would wait for room.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        settings = (Path(folder) / "tolov.toml").read_text()
        self.daemon = "http://" + re.search(r'^listen = "(.+)"$', settings, re.MULTILINE).group(1)
        self.token = (Path(folder) / "credentials" / "till_demo").read_text()
        self.log = Path(folder) / "daemon.log"

    def wait_until_ready(self):
        until = time.monotonic() + START_MAX_S
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(self.daemon + "/health/ready", timeout=5) as answer:
                    methods = json.load(answer)["methods"].values()
                if all(method["ready"] for method in methods):
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"the terminal was not ready within {START_MAX_S} s:\n{self.log.read_text()}")

    def picture(self):
        with urllib.request.urlopen(self.page + "/demo/picture/1000000000", timeout=10) as answer:
            return json.load(answer)

    def press(self, button, **what):
        body = json.dumps(what).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.page}/demo/{button}", body, headers)
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError:
            # The customer came too late: nobody waits any more.
            pass

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Customers(threading.Thread):
    """They pay what the terminal asks for; every fifth is declined, and every seventh lets the time run out."""

    def __init__(self, demo):
        super().__init__(daemon=True)
        self.demo = demo
        self.came = 0
        self.gone_home = threading.Event()

    def run(self):
        while not self.gone_home.wait(CUSTOMER_EVERY_S):
            try:
                self.look()
            except OSError as error:
                print(f"a customer found the terminal away: {error}", file=sys.stderr)

    def look(self):
        picture = self.demo.picture()
        self.came += 1
        declines, dawdles = self.came % 5 == 0, self.came % 7 == 0
        if picture["pinpad"]["busy"]:
            what = {"do": "decline", "code": "51"} if declines else {"do": "cancel" if dawdles else "approve"}
            self.demo.press("pinpad", **what)
        # A code of CLICK's, each of them another one's.
        self.demo.press("scan", text=f"8801{time.time_ns() % 10**14:014}")
        for operation in picture["qrm"]["operations"]:
            if operation["standing"] in ("created", "opened", "declined"):
                does = "decline" if declines else "expire" if dawdles else "pay"
                self.demo.press("phone", do=does, code=operation["qr_link"])


def main():
    schemathesis, tolov = sys.argv[1:3]
    with tempfile.TemporaryDirectory(prefix="tolov-described-") as folder:
        demo = Demo(tolov, folder)
        try:
            demo.wait_until_ready()
            (Path(folder) / "sales.json").write_text(json.dumps(Till(demo.daemon, demo.token, "before").sales(demo)))
            customers = Customers(demo)
            customers.start()
            status = ask(schemathesis, demo, Path(folder))
            customers.gone_home.set()
            customers.join()
            if demo.process.poll() is not None:
                raise SystemExit("the demo ended before it was told to")
        finally:
            demo.stop()
    sys.exit(status)


def ask(schemathesis, demo, folder):
    """All phases once; then the way through the links anew, with other seeds, until enough was asked."""
    answers = collections.Counter()
    began = time.monotonic()
    for turn in range(TURNS_MAX):
        phases = ["--phases", "stateful"] if turn else []
        heard, text, status = run([schemathesis, *OPTIONS, demo.daemon + "/openapi.json", "--seed", str(SEED + turn), *phases], demo, folder)
        answers.update(heard)
        # Of the later turns the last line says all, unless something was found.
        print(text if status or not turn else text.strip().rpartition("\n")[2], flush=True)
        if status:
            return f"schemathesis found something; what the terminal said of it:\n{demo.log.read_text()[-4000:]}"
        if answers.total() >= REQUESTS_MIN:
            break
    return judge(answers, described(demo), time.monotonic() - began)


def described(demo):
    with urllib.request.urlopen(demo.daemon + "/openapi.json", timeout=10) as answer:
        paths = json.load(answer)["paths"]
    return {operation["operationId"] for item in paths.values() for operation in item.values()} - {IS_THE_DOCUMENT}


def run(command, demo, folder):
    tally = folder / "answers.json"
    environment = {
        "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8", "HOME": str(folder),
        "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "PYTHONPATH": str(HERE), "ANSWERS": str(tally),
        "SALES": str(folder / "sales.json"), "DAEMON": demo.daemon, "TILL_TOKEN": demo.token,
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, timeout=RUN_MAX_S, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    heard = json.loads(tally.read_text()) if tally.exists() else {}
    return heard, done.stdout, done.returncode


def judge(answers, operations, seconds):
    """Count what was asked, by status; every operation has to have done at least once what it is for."""
    statuses, well = collections.Counter(), collections.Counter()
    for name, count in answers.items():
        operation, status, how = name.split()
        statuses[status] += count
        well[operation] += count if how == "well" else 0
    told = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    print(f"{answers.total()} requests in {seconds:.0f} s to {len(operations)} operations: {told}")
    seldom = sorted((well[operation], operation) for operation in operations)
    print("seldom done: " + ", ".join(f"{count} × {operation}" for count, operation in seldom[:SELDOM]))
    if any(status >= "500" for status in statuses):
        return "there were answers of status 5xx while every peer was up"
    if answers.total() < REQUESTS_MIN:
        return f"{answers.total()} requests, and at least {REQUESTS_MIN} have to be asked"
    never = [operation for count, operation in seldom if not count]
    return f"never done, only refused: {', '.join(never)}" if never else None


if __name__ == "__main__":
    main()
