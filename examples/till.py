#!/usr/bin/env python3
"""A till in its smallest honest form, with Python's standard library alone: it sells, brings the fiscal receipt, prints its link, and after
its own crash finishes what it had begun.

    python3 examples/till.py http://127.0.0.1:8080 TOKEN till.json auto UZS 12500 [QR_CODE]

What it is about to ask stands in a file before it asks, with the tokens that it asks under. Whoever repeats a request under its token hears
what became of the first one, so recovery is nothing but doing the same again. What was begun is finished first, with its own words; an order
that is refused for good is put aside (FILE.refused), and the next one goes on.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
import zlib
from decimal import Decimal


COME_AGAIN = ("busy", "pinpad_busy")


class Refused(Exception):
    """The terminal does not take this request, and will not if it is sent again."""


class Till:
    def __init__(self, base, token):
        self.base, self.token = base.rstrip("/"), token
        self.http = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, path, body=None):
        """One answer of the terminal. What says "come again" is asked again, under the same token."""
        headers = {"x_auth_token": self.token, "Content-Type": "application/json"}
        data = None if body is None else body.encode()
        for _ in range(120):
            try:
                request = urllib.request.Request(self.base + path, data, headers)
                with self.http.open(request, timeout=40) as answer:
                    return json.load(answer, parse_float=Decimal)
            except urllib.error.HTTPError as refusal:
                told = json.loads(refusal.read() or b"{}")
                said = f"{told.get('message')} ({told.get('code')}) {told.get('advice')}"
                if told.get("code") == "acces_error":
                    sys.exit(said)  # That says nothing about the order: it stays where it is.
                if told.get("code") == "not_configured" or refusal.code < 500 and told.get("code") not in COME_AGAIN:
                    raise Refused(said) from None
                print(told.get("message"), file=sys.stderr)
            except (OSError, ValueError) as error:
                print(f"the terminal does not answer: {error}", file=sys.stderr)
            time.sleep(0.5)
        sys.exit(f"{path}: the terminal was asked in vain for a minute")

    def sell(self, order):
        """From the order to its end, from the beginning or from wherever the till was when it crashed."""
        token = order["token"]
        # The amount is written as it was typed: a float has no place in money.
        money = '{"method_id": %s, "currency": %s, "amount": %s}' % (
            json.dumps(order["method"]), json.dumps(order["currency"]), Decimal(order["amount"]))
        created = self.ask("/api/v1/payment/create",
                           '{"idempotency_token": "%s-create", "money_info": %s}' % (token, money))
        path = "/api/v1/payment/" + created["transaction_id"]

        info = {"qr_code": order["qr_code"]} if order["qr_code"] else {}
        accept = json.dumps({"idempotency_token": token + "-accept", "accept_info": info})
        try:
            status = self.ask(path + "/accept", accept)["payment_status"]
        except Refused as refusal:
            print("not accepted:", refusal, flush=True)
            # It may have ended, or been accepted, before. What nobody has accepted is called off, and then it is known that nobody paid.
            status = self.ask(path + "/retrieve/status")["payment_status"]
            if status == "created":
                self.ask(path + "/cancel", json.dumps({"idempotency_token": token + "-cancel"}))
                raise
        while status in ("awaiting_payer", "bank_processing", "in_doubt"):
            print(created["transaction_id"], status, flush=True)
            # In doubt nothing is sold again: the terminal asks, or a person finds out, and then the status changes.
            status = self.ask(f"{path}/retrieve/status?wait=30&seen={status}")["payment_status"]
        payment = self.ask(path + "/retrieve")["payment"]
        print(created["transaction_id"], payment["status"], flush=True)
        if payment["status"] != "paid":
            print("not paid:", (payment["error"] or {}).get("message"))
            return
        if payment["receipt"] == "owed" and payment["sender"]["method_id"] in ("click", "payme"):
            self.ask(path + "/receipt", json.dumps({"link": fiscal_receipt(created["transaction_id"])}))
        receipt = self.ask(path + "/receipt")
        print("receipt", receipt["state"], receipt["link"] or "-")


def fiscal_receipt(name):
    """A real till asks its fiscal module here, once for a sale: after a crash it has to find the same receipt again."""
    number = zlib.crc32(name.encode()) % 1_000_000
    return f"https://ofd.soliq.uz/check?t=UZ170703100597&r={number}&c=20260301121801&s=514343190161"


def begin(file, method, currency, amount, code=None):
    """A new order, which is on the disk before anybody is asked for anything."""
    order = {"token": str(uuid.uuid4()), "words": [method, currency, amount] + ([code] if code else []),
             "method": method, "currency": currency, "amount": str(Decimal(amount)), "qr_code": code}
    with open(file + ".new", "w", encoding="utf-8") as new:
        json.dump(order, new)
        new.flush()
        os.fsync(new.fileno())
    os.replace(file + ".new", file)
    return order


def finish(till, file, order):
    """Paid or not, the order is over then; a refused one is kept aside for whoever wants to know."""
    try:
        till.sell(order)
    except Refused as refusal:
        os.replace(file, file + ".refused")
        print("this order is refused and put aside:", refusal, flush=True)
        return False
    os.remove(file)
    return True


def main():
    if len(sys.argv) < 4 or len(sys.argv) < 7 and not os.path.exists(sys.argv[3]):
        sys.exit("usage: till.py URL TOKEN FILE METHOD CURRENCY AMOUNT [QR_CODE]")
    base, token, file, *words = sys.argv[1:]
    till, done = Till(base, token), True
    if os.path.exists(file):
        with open(file, encoding="utf-8") as order:
            begun = json.load(order)
        print("finishing first what was begun:", *begun["words"], flush=True)
        done = finish(till, file, begun)
        # The same words again mean the same order, and not another sale.
        words = [] if words == begun["words"] else words
    if words:
        done = finish(till, file, begin(file, *words))
    sys.exit(not done)


if __name__ == "__main__":
    main()
