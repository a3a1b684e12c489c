"use strict";

// One door for every method (seed 003): a payment is created, perhaps edited, accepted and followed until it has ended. It draws with what app.js has.

const CORE = "/api/v1/payment";
const STATUS_EVERY_MS = 400;
const OVER = ["paid", "refunded", "declined", "cancelled", "expired", "in_doubt"];
let lastCore = null;

function askCore(method, path, body) {
  const request = { method, path: CORE + path, good: (status) => status === 200 };
  if (body) {
    request.body = JSON.stringify({ idempotency_token: crypto.randomUUID(), ...body });
    lastCore = request;
  }
  return ask(request);
}

const inRoubles = () => $("core-method").value.startsWith("sbp");
const terms = () => ({
  method_id: $("core-method").value,
  currency: inRoubles() ? "RUB" : "UZS",
  amount: Number($("core-amount").value),
});
$("core-method").addEventListener("change", () => ($("core-unit").textContent = inRoubles() ? "₽" : "so‘m"));

$("core-create").addEventListener("click", async () => {
  const order = digits(6);
  const heard = await askCore("POST", "/create", {
    money_info: terms(),
    sender: { sender_id: `order-${order}` },
    recipcient: { recipcient_id: "shop-1" },
    order_id: order,
  });
  if (heard?.transaction_id) follow(heard.transaction_id);
});
$("core-repeat").addEventListener("click", () => lastCore && ask(lastCore));
$("core-retrieve").addEventListener("click", () => followed && askCore("GET", `/${followed}/retrieve`));

const WISHES = {
  accept: () => ($("core-with").value ? { accept_info: { qr_code: $("code").value.trim() } } : {}),
  edit: () => ({ money_info: terms() }),
  cancel: () => ({ reason: "customer_request" }),
};
$("core").addEventListener("submit", (event) => {
  event.preventDefault();
  const wish = event.submitter.value;
  if (followed) askCore("POST", `/${followed}/${wish}`, WISHES[wish]());
});

/* The status as it goes */

let followed = "";
let trail = [];

function follow(id) {
  if (id === followed) return;
  [followed, trail] = [id, []];
  $("core-payment").value = id;
}
$("core-payment").addEventListener("change", () => follow($("core-payment").value));

async function askStatus() {
  const id = followed;
  const last = trail.at(-1);
  if (id && !(OVER.includes(last) && last !== "in_doubt")) {
    const answer = await fetch(`${CORE}/${id}/retrieve/status`).catch(() => null);
    const status = answer?.ok ? (await answer.json()).payment_status : null;
    if (id === followed && status && status !== last) trail.push(status);
  }
  $("core-status").textContent = trail.join(" → ").replaceAll("_", " ") || "\u00a0";
  setTimeout(askStatus, STATUS_EVERY_MS);
}
askStatus();

/* Drawing */

function drawCore(rows) {
  const created = rows.filter((row) => row.method_id);
  offer("core-payment", created, "none was created");
  // The page may be younger than the payment.
  if (!followed && created.length) follow(created[0].transaction_id);
  if (created.some((row) => row.transaction_id === followed)) $("core-payment").value = followed;
}
