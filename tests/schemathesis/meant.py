"""How a request that was drawn is turned into one that fits a sale which there is: its name, and whatever no schema can say about it. All else stays
as it was drawn."""

import json
import os

from till import SBP_ROUBLES, Till

LINK = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161"

TILL = Till(os.environ["DAEMON"], os.environ["TILL_TOKEN"], "between")

with open(os.environ["SALES"]) as file:
    SALES = json.load(file)


def sale(turn, *methods):
    """One sale after the other, of all these methods."""
    sales = [sale for method in methods for sale in SALES[method]]
    return sales[turn % len(sales)]


def about(case, turn, *methods):
    chosen = sale(turn, *methods)
    case.path_parameters["id"] = chosen["transaction_id"]
    return chosen


def link_that_fits(case, *names):
    """The link itself, and of what is compared with it as much as was drawn."""
    fitting = dict.fromkeys(names, LINK) | {"receipt_id": "2421", "fiscal_sign": 514343190161}
    case.body |= {name: value for name, value in fitting.items() if name in case.body}


def document():
    """A document of ATOL about the whole sale."""
    whole = SBP_ROUBLES
    item = {"name": "Choy", "price": whole, "quantity": 1, "sum": whole, "payment_object": "commodity"}
    return {
        "timestamp": "10.11.2022 20:10:00",
        "receipt": {
            "client": {"email": "payer@mail.ru"},
            "company": {"sno": "osn", "email": "shop@mail.ru", "inn": "5544332219", "payment_address": "Moscow"},
            "items": [item],
            "payments": [{"type": 1, "sum": whole}],
            "vats": [{"type": "none", "sum": 0}],
            "total": whole,
        },
    }


def bring_receipt(case, turn):
    if about(case, turn, "click", "payme", "sbp")["sender"]["method_id"] == "sbp":
        case.body = document()
    else:
        link_that_fits(case, "link")


def bring_sbp_receipt(case, turn):
    about(case, turn, "sbp")
    case.body = document()


def refund_payment(case, turn):
    """A few kopecks, so that there is more to give back; of a card all, because its shift is open."""
    currency = about(case, turn, "sbp", "sbp", "sbp", "humo")["currency"]
    if currency == "UZS":
        case.body.pop("amount", None)
    else:
        case.body["amount"] = 0.01 * (1 + turn % 50)
    if "currency" in case.body:
        case.body["currency"] = currency


def refund_sbp_sale(case, turn):
    about(case, turn, "sbp")
    case.body |= {"amount": 1 + turn % 50, "currency": "RUB"}


def confirm(name, method):
    def confirm(case, turn):
        provider_knows = sale(turn, method)
        case.body.pop("transaction_id", None)
        case.body[name] = provider_knows["provider_payment_id"]
        link_that_fits(case, "qrcode", "qr_code_url")

    return confirm


def call_off(case, turn):
    case.body = {"transaction_id": TILL.create("click")}


def cancel_sbp_sale(case, turn):
    """One that was made just now, or a customer would have paid it."""
    case.path_parameters["id"] = TILL.show_code()


def of_created(case, turn):
    case.path_parameters["id"] = TILL.create("click")


def follow_events(case, turn):
    case.query["after"] = "0"
    case.headers.pop("Last-Event-ID", None)


def look(*methods):
    return lambda case, turn: about(case, turn, *methods)


MEANT = {
    "followEvents": follow_events,
    "cancelPayment": of_created,
    "cancelSbpSale": cancel_sbp_sale,
    "retrievePayment": look("click", "payme", "humo", "sbp"),
    "retrieveReceipt": look("click", "payme", "humo", "sbp"),
    "listRefunds": look("humo", "sbp"),
    "bringReceipt": bring_receipt,
    "refundPayment": refund_payment,
    "retrieveSbpReceipt": look("sbp"),
    "listSbpRefunds": look("sbp"),
    "bringSbpReceipt": bring_sbp_receipt,
    "refundSbpSale": refund_sbp_sale,
    "confirmClick": confirm("payment_id", "click"),
    "confirmPayme": confirm("payme_id", "payme"),
    "callOff": call_off,
}
