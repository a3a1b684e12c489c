"""What schemathesis does not know of money, and a tally of what it asked."""

import atexit
import collections
import itertools
import json
import math
import os

import schemathesis
from meant import MEANT

answers = collections.Counter()
asked = 0
turns = {operation: itertools.count() for operation in MEANT}


def as_a_till_writes_it(value):
    """A float makes 0.35000000000000003 of 35 hundredths, and 5.0 of five; a till writes 0.35 and 5."""
    if isinstance(value, dict):
        return {name: as_a_till_writes_it(field) for name, field in value.items()}
    if isinstance(value, float) and abs(value) < 1e16:
        if value.is_integer():
            return int(value)
        if math.isclose(value, round(value, 2), rel_tol=1e-14):
            return round(value, 2)
    return value


@schemathesis.hook
def map_body(context, body):
    return as_a_till_writes_it(body)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Every tenth request sends the token that was drawn, which is often one that was used before; the others draw a new one, as a till does."""
    global asked
    asked += 1
    is_meant_well = case.meta is None or case.meta.generation.mode.is_positive
    is_free = case.meta is not None and case.meta.phase.name == "fuzzing"
    operation = case.operation.definition.raw["operationId"]
    # Every other one is about a sale that there is; the rest, and the ways through the links, stay as they were drawn.
    if is_meant_well and is_free and operation in MEANT and (turn := next(turns[operation])) % 2:
        MEANT[operation](case, turn // 2)
    if is_meant_well and asked % 10 and isinstance(case.body, dict) and "idempotency_token" in case.body:
        case.body["idempotency_token"] = f"request-{asked}"
    # To wait for a minute for what does not happen proves no more than to wait for a second.
    if is_meant_well and case.query and isinstance(case.query.get("wait"), int):
        case.query["wait"] = min(case.query["wait"], 1)


def has_succeeded(response):
    """The gateway's doors answer 200 to a refusal, too."""
    if response.status_code != 200:
        return False
    told = response.content if "json" in str(response.headers.get("content-type")) else b""
    return b'"is_success":false' not in told.replace(b": ", b":")


@schemathesis.hook
def after_call(context, case, response):
    well = "well" if has_succeeded(response) else "refused"
    answers[f"{case.operation.definition.raw['operationId']} {response.status_code} {well}"] += 1


@atexit.register
def write():
    with open(os.environ["ANSWERS"], "w") as file:
        json.dump(answers, file)
