"use strict";

// The third way to pay: the till's card for SBP, the customer's phone, and what QRManager does wrong. It draws with what app.js has.

/* The till */

const SBP = "/api/v1/sbp";
const OFD_RECEIPTS = { atol: atolReceipt };
let newestSbp = null;

// Whether an answer of this door is good news: any other status than 200 says that nothing was begun.
const good = (status, heard) => status === 200 && !heard.error;

async function askSbp(method, path, body) {
  const request = { method, path: SBP + path, good };
  if (body !== undefined) request.body = JSON.stringify(body);
  const heard = await ask(request);
  newestSbp = heard?.transaction_id ?? newestSbp;
  return heard;
}

$("sell-sbp").addEventListener("click", () => {
  const sticker = $("shown").value === "sticker";
  askSbp("POST", "/sale", {
    amount: Math.round(Number($("roubles").value) * 100),
    currency: "RUB",
    profile: sticker ? "sticker" : "main",
    cash_link: sticker || undefined,
    idempotency_token: crypto.randomUUID(),
  });
});
$("sbp-ask").addEventListener("click", () => newestSbp && askSbp("GET", `/sale/${newestSbp}`));
$("sbp-cancel").addEventListener("click", () => newestSbp && askSbp("POST", `/sale/${newestSbp}/cancel`, {}));
$("sticker").addEventListener("click", () => askSbp("POST", "/cash-link", { profile: "sticker" }));

$("sbp-back").addEventListener("submit", (event) => {
  event.preventDefault();
  const sale = chosen("sbp-sale");
  if (!sale) return;
  const whole = event.submitter?.value === "all";
  askSbp("POST", `/sale/${sale.transaction_id}/refund`, {
    amount: whole ? sale.amount_minor - sale.refunded_minor : Math.round(Number($("part").value) * 100),
    currency: "RUB",
    idempotency_token: crypto.randomUUID(),
  });
});

// Rubles as a decimal, without a float on the way.
const rubles = (kopecks) => `${Math.trunc(kopecks / 100)}.${String(kopecks % 100).padStart(2, "0")}`;
const two = (number) => String(number).padStart(2, "0");

// The smallest document that ATOL takes (seed 004, "Вариант 1").
function atolReceipt(sale) {
  const now = new Date();
  const day = [two(now.getDate()), two(now.getMonth() + 1), now.getFullYear()].join(".");
  const clock = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(":");
  const sum = Number(rubles(sale.amount_minor));
  return {
    external_id: sale.sbp.number,
    timestamp: `${day} ${clock}`,
    receipt: {
      client: { email: "user@mail.ru" },
      company: { sno: "osn", email: "user@mail.ru", inn: "5544332219", payment_address: "г Москва, Ленинградское шоссе, д 34" },
      items: [{ name: "choy", price: sum, quantity: 1, sum, payment_method: "full_payment", payment_object: "commodity", vat: { type: "none" } }],
      payments: [{ type: 1, sum }],
      vats: [{ type: "none", sum: 0 }],
      total: sum,
    },
  };
}

$("sbp-receipt").addEventListener("submit", (event) => {
  event.preventDefault();
  const sale = chosen("sbp-owed");
  if (!sale) return;
  const path = `/sale/${sale.transaction_id}/receipt`;
  if (event.submitter?.value === "bring") askSbp("POST", path, OFD_RECEIPTS.atol(sale));
  else askSbp("GET", path);
});

/* The phone */

function hold(does, code) {
  if (code) post("/demo/phone", { do: does, code }).catch((error) => note("phone", error.message));
}
for (const key of document.querySelectorAll("[data-phone]")) {
  key.addEventListener("click", () => hold(key.dataset.phone, $("seen").value));
}
$("pay-sticker").addEventListener("click", () => hold("pay", $("pay-sticker").value));
$("phone").addEventListener("submit", (event) => event.preventDefault());
$("seen").addEventListener("change", showLink);

function showLink() {
  $("seen-link").textContent = $("seen").selectedOptions[0]?.dataset.link ?? "";
}

/* QRManager's faults */

function setQrm(breakSockets) {
  const made = document.querySelector("input[name=made]:checked").value;
  const [refund, ofd] = [$("refund-fault").value, $("ofd-fault").value];
  const fault = (kind) => (kind === "refused" ? { kind, text: "Операция отклонена банком" } : { kind });
  const rest = {};
  if (made && made !== "disconnected") rest.code = rest.activate = fault(made);
  if (["lost_after", "refused"].includes(refund)) rest.refund = fault(refund);
  if (["lost_after", "http_500"].includes(ofd)) rest.receipt = fault(ofd);
  const switches = {
    rest,
    rest_behind_ms: $("behind").checked ? 5000 : 0,
    sockets: {
      refused: $("no-sockets").checked ? "not_found" : null,
      silent: $("silent").checked,
      twice: $("jumbled").checked,
      jumbled: $("jumbled").checked,
    },
    receipts_wait: ofd === "wait",
    receipts_fail: ofd === "fail" ? "[-3975] Некорректное значение параметров команды ФН" : null,
    refunds_wait: refund === "wait",
    refunds_fail: refund === "fail",
  };
  const asked = { switches, connected: made !== "disconnected", break_sockets: breakSockets };
  post("/demo/qrm", asked).catch((error) => note("QRManager", error.message));
}
// Sockets that are open already would go on as they are.
$("qrm").addEventListener("change", (event) => setQrm(event.target.id === "no-sockets" && event.target.checked));
$("qrm").addEventListener("submit", (event) => event.preventDefault());
$("break").addEventListener("click", () => setQrm(true));

/* Drawing */

const PAYABLE = ["created", "opened", "declined"];

// What QRManager did with money for an operation, newest first.
function bookOperation(operation) {
  const paid = ["paid", "refunded"].includes(operation.standing);
  if (!paid) return [];
  const told = (entry, kopecks, remark) => book("sbp", entry, kopecks, operation.number, remark, false);
  const refunds = operation.refunds.map((refund) =>
    told("refund", refund.amount_kopecks, refund.success === null ? "received" : refund.success ? "success" : "fail"));
  const receipt = operation.receipt?.end?.is === "done" ? [told("receipt", null, operation.receipt.end.url)] : [];
  return [...receipt, ...refunds.reverse(), told("charge", operation.sum_kopecks, operation.late ? "after its end" : operation.operation_id)];
}

function drawQrm(qrm) {
  draw("operations", qrm.operations, () => $("operations").replaceChildren(...qrm.operations.map((operation) =>
    element("tr", { title: operation.qr_link },
      element("td", { class: "mono" }, operation.number),
      element("td", { class: "amount" }, sums(operation.sum_kopecks)),
      element("td", {}, element("span", { class: operation.standing }, operation.standing + (operation.late ? ", late" : ""))),
      element("td", { class: "rest" }, operation.link_id ? "sticker" : operation.receipt ? `receipt ${operation.receipt.end?.is ?? "wait"}` : "")))));
  draw("seen", qrm.operations, () => {
    const field = $("seen");
    field.replaceChildren(...qrm.operations.map((operation) =>
      element("option", { value: operation.operation_id, "data-link": operation.qr_link },
        `${sums(operation.sum_kopecks)} ₽ ${operation.number}`)));
    const payable = qrm.operations.find((operation) => PAYABLE.includes(operation.standing));
    field.value = (payable ?? qrm.operations[0])?.operation_id ?? "";
    if (!qrm.operations.length) field.append(element("option", { value: "" }, "no code"));
    field.disabled = !qrm.operations.length;
    for (const key of document.querySelectorAll("[data-phone]")) key.disabled = !qrm.operations.length;
    showLink();
  });
  draw("sticker-state", [qrm.links, qrm.operations], () => {
    const sticker = qrm.links.at(-1);
    const sale = sticker && qrm.operations.find((operation) => operation.operation_id === sticker.active);
    $("pay-sticker").value = sticker?.link ?? "";
    $("pay-sticker").disabled = !sticker;
    $("sticker-state").textContent = !sticker ? "no sticker is printed" : sale ? `live: ${sums(sale.sum_kopecks)} ₽` : "not live";
  });
  draw("phone-state", [qrm.connected, qrm.sockets], () => {
    $("phone-state").textContent = qrm.connected ? "online" : "offline";
    $("phone-state").className = qrm.connected ? "tag good" : "tag bad";
    $("sockets").textContent = `sockets ${qrm.sockets}`;
  });
  const sbp = payments.filter((row) => row.sbp);
  offer("sbp-sale", sbp.filter((row) => row.state === "paid" && row.refunded_minor < row.amount_minor), "nothing was paid");
  offer("sbp-owed", sbp.filter((row) => row.state === "paid" && row.sbp.profile === "main" && row.fiscal !== "none"), "no receipt is owed");
}
