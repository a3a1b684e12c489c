"""A till beside the one that asks at random: it sells, so that there is something to bring a receipt for, to give back and to call off."""

import itertools
import json
import time
import urllib.request

WAIT_MAX_S = 30
SBP_ROUBLES = 950
# How many sales of each method are paid before anybody asks. Several, so that one which was given back leaves another.
PAID = {"click": 3, "payme": 3, "humo": 3, "sbp": 6}
MONEY = {"click": ("UZS", 500), "payme": ("UZS", 500), "humo": ("UZS", 12_500), "sbp": ("RUB", SBP_ROUBLES)}
CODES = {"click": "88010{:013}", "payme": "50500{:015}"}


class Till:
    def __init__(self, daemon, token, name):
        self.daemon, self.token, self.name = daemon, token, name
        self.drawn = itertools.count(1)

    def ask(self, path, **body):
        headers = {"x_auth_token": self.token, "Content-Type": "application/json"}
        if body:
            body["idempotency_token"] = f"{self.name}-{next(self.drawn)}"
        request = urllib.request.Request(self.daemon + path, json.dumps(body).encode() if body else None, headers)
        with urllib.request.urlopen(request, timeout=WAIT_MAX_S) as answer:
            return json.load(answer)

    def create(self, method):
        """The name of a payment that nobody has accepted yet."""
        currency, amount = MONEY[method]
        terms = {"method_id": method, "currency": currency, "amount": amount}
        return self.ask("/api/v1/payment/create", money_info=terms)["transaction_id"]

    def show_code(self):
        """The name of an SBP sale that waits to be paid and holds no counter."""
        return self.ask("/api/v1/sbp/sale", amount=SBP_ROUBLES * 100, currency="RUB", display=False)["transaction_id"]

    def sales(self, demo):
        """What was sold, by method, each sale as `/retrieve` tells it."""
        return {method: [self.sell(method, demo) for _ in range(count)] for method, count in PAID.items()}

    def sell(self, method, demo):
        name = self.create(method)
        info = {"qr_code": CODES[method].format(next(self.drawn))} if method in CODES else {}
        self.ask(f"/api/v1/payment/{name}/accept", accept_info=info)
        until = time.monotonic() + WAIT_MAX_S
        while (sale := self.ask(f"/api/v1/payment/{name}/retrieve")["payment"])["status"] != "paid":
            if time.monotonic() > until:
                raise SystemExit(f"a sale by {method} was not paid within {WAIT_MAX_S} s: {sale}")
            # The customer of this sale is the only one so far.
            if method == "humo" and demo.picture()["pinpad"]["busy"]:
                demo.press("pinpad", do="approve")
            if link := sale["qr_link"]:
                demo.press("phone", do="pay", code=link)
            time.sleep(0.1)
        return sale
