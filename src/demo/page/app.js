"use strict";

// The virtual terminal. It asks the demo for a picture a few times a second and draws what has changed; every button is one request.

const PICTURE_EVERY_MS = 350;
const EXCHANGES_KEPT = 20;
const LINES_KEPT = 300;
const RECEIPT_HOST = "https://ofd.soliq.uz/check";

const $ = (id) => document.getElementById(id);

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "onclick") made.addEventListener("click", value);
    else if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Draw a part of the page anew only when what it shows has changed, so that focus and selection stay where they are.
const drawn = new Map();
function draw(part, content, drawIt) {
  const key = JSON.stringify(content);
  if (drawn.get(part) === key) return;
  drawn.set(part, key);
  drawIt();
}

const sums = (minor) => (minor / 100).toLocaleString("en", { maximumFractionDigits: 2 }).replaceAll(",", " ");
const money = (row) => sums(row.amount_minor) + (row.currency === "RUB" ? " ₽" : "");
// Who moves the money, as far as the customer has said.
const method = (row) => (row.undecided ? "auto" : row.method).toUpperCase();
const time = (ms) => new Date(ms).toLocaleTimeString("en-GB");
const short = (id) => (id ? id.slice(0, 8) : "");
const digits = (count) => Array.from({ length: count }, () => Math.floor(Math.random() * 10)).join("");

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error((await answer.text()).trim() || `HTTP ${answer.status}`);
  return answer;
}

for (const way of document.querySelectorAll("#ways button")) {
  way.addEventListener("click", () => {
    document.body.dataset.way = way.dataset.way;
    for (const other of document.querySelectorAll("#ways button")) other.ariaPressed = String(other === way);
  });
}

/* Codes */

const CODES = {
  click: () => "88" + digits(16),
  payme: () => "505" + digits(17),
  wrong: () => "889999999999999999",
  used: () => lastCode,
  uzum: () => "7993:5061401:01KF" + digits(10) + ":3sySI=",
  uzqr: () => "00020101021226360010uz.example0118" + digits(18) + "5204541153038605802UZ6304A1B2",
  receipt: () => $("link").value,
};
let lastCode = CODES.click();

for (const chip of document.querySelectorAll("[data-code]")) {
  chip.addEventListener("click", () => ($("code").value = CODES[chip.dataset.code]()));
}

async function scan(text) {
  if (!text) return;
  lastCode = text.startsWith("http") ? lastCode : text;
  await post("/demo/scan", { text }).catch((error) => note("scanner", error.message));
}

$("scanner").addEventListener("submit", (event) => {
  event.preventDefault();
  scan($("code").value.trim());
});

/* The till */

let last = null;
let newest = null;

function note(title, text) {
  keep(element("article", {}, element("h3", {}, title), element("pre", { class: "answer no" }, text)));
}

function keep(article) {
  const log = $("exchange");
  log.prepend(article);
  while (log.childElementCount > EXCHANGES_KEPT) log.lastElementChild.remove();
  log.scrollTop = 0;
}

// One request of the till, shown as it was sent and as it was answered.
async function ask(request) {
  const head = element("span", {}, "…");
  const answer = element("pre", { class: "answer waits" }, "waiting");
  const key = request.key ? `\nIdempotency-Key: ${request.key}` : "";
  const article = element("article", {},
    element("h3", {}, `${request.method} ${request.path}`, head),
    element("pre", {}, (request.body ?? "") + key),
    answer);
  keep(article);
  const headers = {};
  if (request.body !== undefined) headers["Content-Type"] = "application/json";
  if (request.key) headers["Idempotency-Key"] = request.key;
  const began = performance.now();
  let status = 0;
  let text;
  try {
    const response = await fetch(request.path, { method: request.method, headers, body: request.body });
    status = response.status;
    text = await response.text();
  } catch (error) {
    text = error.message;
  }
  head.textContent = `${status || "no answer"} · ${Math.round(performance.now() - began)} ms`;
  answer.textContent = text.trim();
  answer.className = "answer";
  let heard = null;
  try {
    heard = JSON.parse(text);
  } catch {
    answer.classList.add("no");
    return null;
  }
  if (heard.error?.code === 900) answer.classList.add("doubt");
  else if (request.good ? !request.good(status, heard) : !heard.is_success) answer.classList.add("no");
  const slip = typeof heard.message === "string" ? heard.message : heard.data?.message;
  if (slip?.includes("\n")) answer.before(element("pre", { class: "slip" }, slip.trimEnd()));
  newest = heard.data?.transaction_id ?? heard.error?.data?.transaction_id ?? newest;
  return heard;
}

function sell(path, shape) {
  const amount = Number($("amount").value);
  const body = { amount };
  if (shape && $("way").value === "new") $("code").value = CODES[shape]();
  if (shape && $("way").value !== "scan") {
    body.qr_code = $("code").value.trim();
    lastCode = body.qr_code;
  }
  // The card's endpoint counts tiyin, the others sums.
  if (!shape) body.amount = amount * 100;
  last = { method: "POST", path, body: JSON.stringify(body), key: crypto.randomUUID() };
  ask(last);
}

$("sell-click").addEventListener("click", () => sell("/payment/click", "click"));
$("sell-payme").addEventListener("click", () => sell("/payment/payme", "payme"));
$("sell-humo").addEventListener("click", () => sell("/payment/xumo", null));
$("repeat").addEventListener("click", () => last && ask(last));
$("ask").addEventListener("click", () => newest && ask({ method: "GET", path: `/payment/${newest}` }));
$("cancel").addEventListener("click", () => ask({ method: "POST", path: "/payment/cancel", body: "{}" }));
$("close-shift").addEventListener("click", () => ask({ method: "POST", path: "/payment/xumo_close", key: crypto.randomUUID() }));
$("void").addEventListener("submit", (event) => {
  event.preventDefault();
  const sale = chosen("void-sale");
  if (!sale) return;
  const body = { amount: sale.amount_minor, is_return: true, request_id: sale.payment_id ?? sale.transaction_id };
  last = { method: "POST", path: "/payment/xumo", body: JSON.stringify(body), key: crypto.randomUUID() };
  ask(last);
});

/* The fiscal receipt */

function newLink() {
  const stamp = new Date().toISOString().replace(/\D/g, "").slice(0, 14);
  $("link").value = `${RECEIPT_HOST}?t=UZ170703100597&r=${digits(4).replace(/^0+/, "7")}&c=${stamp}&s=${"5" + digits(11)}`;
}
newLink();
$("new-link").addEventListener("click", newLink);
$("scan-link").addEventListener("click", () => scan($("link").value.trim()));
$("receipt").addEventListener("submit", async (event) => {
  event.preventDefault();
  const sale = chosen("receipt-sale");
  if (!sale) return;
  const link = $("link").value.trim();
  const query = new URLSearchParams(link.split("?")[1] ?? "");
  const named = sale.payment_id ? null : { transaction_id: sale.transaction_id };
  const body = sale.method === "click"
    ? { ...(named ?? { payment_id: sale.payment_id }), qrcode: link }
    : {
        ...(named ?? { payme_id: sale.payment_id }),
        receipt_id: query.get("r") ?? undefined,
        qr_code_url: link,
        fiscal_sign: query.get("s") ?? undefined,
      };
  const heard = await ask({ method: "POST", path: `/payment/${sale.method}_confirm`, body: JSON.stringify(body) });
  if (heard?.is_success) newLink();
});

/* PinPad, faults, power */

for (const key of document.querySelectorAll("[data-pinpad]")) {
  key.addEventListener("click", () => {
    const asked = { do: key.dataset.pinpad };
    if (key.dataset.with) asked.code = key.dataset.with;
    post("/demo/pinpad", asked).catch((error) => note("PinPad", error.message));
  });
}

function setFaults() {
  const charge = document.querySelector("input[name=charge]:checked").value;
  const times = $("once").checked ? 1 : null;
  const fault = (kind) => {
    if (!kind || kind === "disconnected") return null;
    const detail = kind === "slow" ? { ms: 3000 } : kind === "refused" ? { code: 7 } : {};
    return { kind, ...detail, times };
  };
  post("/demo/faults", {
    charge: fault(charge),
    confirm: fault($("confirm-fault").value),
    connected: charge !== "disconnected",
  }).catch((error) => note("provider", error.message));
}
$("faults").addEventListener("change", setFaults);
$("faults").addEventListener("submit", (event) => event.preventDefault());

$("power-cut").addEventListener("click", () => {
  post("/demo/power", { off_ms: Math.round(Number($("off-s").value) * 1000) }).catch((error) => note("power", error.message));
});

/* The operator */

$("operator").addEventListener("submit", async (event) => {
  event.preventDefault();
  const doubt = chosen("doubt");
  if (!doubt) return;
  const paid = event.submitter?.value === "paid";
  const request = {
    do: "resolve",
    id: doubt.transaction_id,
    paid,
    name: $("name").value,
    reason: $("reason").value,
  };
  const evidence = $("evidence").value.trim();
  if (paid && evidence) request[doubt.method === "humo" ? "rrn" : "payment_id"] = evidence;
  if (paid && !evidence) request.no_evidence = true;
  try {
    const heard = await (await post("/control", request)).json();
    $("operator-said").textContent = heard.error ? heard.error.message : `resolved: ${paid ? "paid" : "absent"}`;
    if (!heard.error) $("evidence").value = "";
  } catch (error) {
    $("operator-said").textContent = error.message;
  }
});

/* Drawing */

let payments = [];
const chosen = (select) => payments.find((payment) => payment.transaction_id === $(select).value);

function offer(select, rows, nothing) {
  draw(select, rows, () => {
    const field = $(select);
    const before = field.value;
    field.replaceChildren(...rows.map((row) =>
      element("option", { value: row.transaction_id },
        `${short(row.transaction_id)} ${method(row)} ${money(row)}`)));
    if (!rows.length) field.append(element("option", { value: "" }, nothing));
    field.disabled = !rows.length;
    if (rows.some((row) => row.transaction_id === before)) field.value = before;
    for (const button of field.form.querySelectorAll("button:not([type=button])")) button.disabled = !rows.length;
  });
}

function drawPayments(rows) {
  payments = rows;
  draw("payments", rows, () => $("payments").replaceChildren(...rows.map((row) =>
    element("tr", { title: row.transaction_id },
      element("td", { class: "mono" }, short(row.transaction_id)),
      element("td", {}, method(row)),
      element("td", { class: "amount" }, money(row)),
      element("td", {}, element("span", { class: row.state }, row.state.replace("_", " ") + (row.late ? ", late" : ""))),
      element("td", { class: "rest" }, row.why ? leaves(row.why).join(", ") : element("span", { class: row.fiscal }, row.fiscal.replace("_", " ")))))));
  offer("void-sale", rows.filter((row) => row.method === "humo" && row.state === "paid" && row.payment_id), "none to give back");
  offer("receipt-sale", rows.filter((row) => ["click", "payme"].includes(row.method) && ["owed", "queued", "parked"].includes(row.fiscal)), "no receipt is owed");
  const doubts = rows.filter((row) => row.state === "in_doubt");
  offer("doubt", doubts, "nothing is in doubt");
  $("doubts").textContent = doubts.length || "none";
  $("doubts").className = doubts.length ? "tag doubt" : "tag";
}

function book(vendor, entry, amount, id, remark, double) {
  const take = () => ($("evidence").value = id);
  return element("tr", { class: double ? "double" : null },
    element("td", {}, vendor.toUpperCase()),
    element("td", {}, element("span", { class: entry }, entry)),
    element("td", { class: "amount" }, amount === null ? "" : sums(amount)),
    element("td", {}, element("button", { class: "link", onclick: take, title: `${id}: take it over as the operator's evidence` },
      id.length > 14 ? id.slice(0, 13) + "…" : id)),
    element("td", { class: "rest" }, remark));
}

function drawBooks(gateway, pinpad, qrm) {
  draw("books", [gateway.entries, pinpad.entries, pinpad.shift, qrm.operations], () => {
    const online = gateway.entries.map((entry) => entry.entry === "charge"
      ? book(entry.vendor, "charge", entry.amount_minor, entry.payment_id, entry.double ? "CHARGED TWICE" : `code ${entry.code}`, entry.double)
      : book(entry.vendor, "receipt", null, entry.payment_id, entry.again ? "the same again" : entry.link, false));
    const cards = pinpad.entries.map((entry) =>
      book("humo", entry.kind === "sale" ? "charge" : "refund", entry.amount_minor, entry.rrn,
        (entry.voided ? "voided, " : "") + `slip ${entry.receipt_number}, shift ${entry.shift}`, false));
    $("books").replaceChildren(...qrm.operations.flatMap(bookOperation), ...online.reverse(), ...cards.reverse());
    const twice = gateway.entries.filter((entry) => entry.double).length;
    $("verdict").textContent = twice ? `Charged twice: ${twice}` : "Charged twice: never";
    $("verdict").className = twice ? "bad" : "";
  });
}

// What a fact says beside its names: its values, without the ids that stand in the line already.
function leaves(value, name = "") {
  if (value === null || value === false || value === "") return [];
  if (typeof value === "object") return Object.entries(value).flatMap(([key, inner]) => leaves(inner, Array.isArray(value) ? name : key));
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-/.test(value)) return [];
  return [`${name.replaceAll("_", " ")} ${String(value).replace(/\s+/g, " ").trim()}`];
}

let sequence = 0;
function drawJournal(lines) {
  if (!lines.length) return;
  const body = $("journal");
  for (const row of body.querySelectorAll("tr.new")) row.classList.remove("new");
  for (const line of lines) {
    const { fact, ...rest } = line.fact;
    body.prepend(element("tr", { class: sequence ? "new" : null, title: JSON.stringify(line.fact, null, 1) },
      element("td", { class: "mono amount" }, String(line.sequence)),
      element("td", { class: "mono" }, time(line.at_ms)),
      element("td", { class: "mono" }, short(line.payment)),
      element("td", {}, fact.replaceAll("_", " ")),
      element("td", { class: "rest" }, leaves(rest).join(", "))));
  }
  while (body.childElementCount > LINES_KEPT) body.lastElementChild.remove();
  sequence = lines[lines.length - 1].sequence;
  $("journal-length").textContent = `${sequence} lines`;
}

function drawPinpad(pinpad) {
  draw("pinpad", [pinpad.screen, pinpad.busy, pinpad.plugged_in], () => {
    $("pinpad-screen").textContent = pinpad.screen || "ДОБРО ПОЖАЛОВАТЬ";
    $("pinpad-state").textContent = pinpad.plugged_in ? (pinpad.busy ? "at work" : "idle") : "cable out";
    $("pinpad-state").className = pinpad.plugged_in ? "tag" : "tag bad";
    $("cable").textContent = pinpad.plugged_in ? "Pull cable" : "Plug in";
    $("cable").dataset.pinpad = pinpad.plugged_in ? "pull_cable" : "plug_in";
  });
  draw("said", pinpad.said, () => {
    $("said").replaceChildren(...pinpad.said.toReversed().map((word) =>
      element("p", { class: word.by, title: word.text },
        (word.by === "pinpad" ? "« " : "» ") + word.text.replaceAll("\u001b", " ¦ ").replace(/\s+/g, " "))));
  });
}

function drawFaults(gateway) {
  const kind = gateway.connected ? gateway.faults.charge?.kind ?? "" : "disconnected";
  draw("faults", [kind, gateway.faults.confirm?.kind], () => {
    const radio = document.querySelector(`input[name=charge][value="${kind}"]`);
    if (radio) radio.checked = true;
    $("confirm-fault").value = gateway.faults.confirm?.kind ?? "";
  });
}

let shown = "";
async function drawScreen(power) {
  const image = $("screen");
  const tag = $("power-state");
  const answer = power === "on" ? await fetch("/screen.png").catch(() => null) : null;
  if (!answer?.ok) {
    image.classList.add("dark");
    shown = "";
    tag.textContent = power === "on" ? "starting" : power === "off" ? "no power" : "ended, starting again";
    tag.className = "tag bad";
    return;
  }
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const picture = "data:image/png;base64," + btoa(String.fromCharCode(...bytes));
  if (picture !== shown) image.src = shown = picture;
  image.classList.remove("dark");
  tag.textContent = "on";
  tag.className = "tag good";
}

async function tick() {
  try {
    const picture = await (await fetch(`/demo/picture/${sequence}`)).json();
    drawPayments(picture.payments);
    drawCore(picture.payments);
    drawBooks(picture.gateway, picture.pinpad, picture.qrm);
    drawQrm(picture.qrm);
    drawJournal(picture.journal);
    drawPinpad(picture.pinpad);
    drawFaults(picture.gateway);
    $("cuts").textContent = picture.power_cuts ? `SIGKILL ×${picture.power_cuts}` : "";
    await drawScreen(picture.power.is);
  } catch {
    $("power-state").textContent = "the demo has ended";
    $("power-state").className = "tag bad";
  }
  setTimeout(tick, PICTURE_EVERY_MS);
}

$("code").value = lastCode;
addEventListener("DOMContentLoaded", tick);
