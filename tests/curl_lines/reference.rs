//! The `curl` lines of `/reference`, which the terminal prints of itself, executed as they are printed: one after the other, in one shell. Before
//! each of them `$ID` names a payment of the kind that its operation is about.

use std::collections::BTreeSet;
use std::fs;

use hal::sim::pinpad::{Behaviour, Script};
use serde_json::{Value, json};
use tolov::demo::qrm::{QrmSimSettings, Terminal};

use super::support::{Bench, TILL_TOKEN, http};
use super::{PRINTED_ADDRESS, Shell};

/// A stream has no end; everything else is over by itself.
const STREAM_S: u32 = 2;
const ANSWER_S: u32 = 60;

/// A line of the page: the operation that it is printed under.
struct Line {
    operation: String,
    text: String,
}

/// Every line with `curl` on the page, as a reader copies it.
fn lines(page: &str) -> Vec<Line> {
    let sections = page.split("<section>").skip(1);
    let read = |section: &str| {
        let operation = section.split("<h3 id=\"").nth(1)?.split('"').next()?.to_owned();
        let text = section.split("<pre>").nth(1)?.split("</pre>").next()?;
        let text = text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        Some(Line { operation, text })
    };
    sections.map(|section| read(section).unwrap_or_else(|| panic!("no line: {section}"))).collect()
}

/// A till whose customers pay at once.
struct World {
    bench: Bench,
    drawn: usize,
}

impl World {
    fn begin() -> Self {
        let terminals = vec![Terminal::new(tolov::demo::qrm::ATOL_KEY)];
        let mut bench = Bench::with_qrm(QrmSimSettings { terminals, ..QrmSimSettings::default() });
        bench.start();
        bench.wait_for_pinpad();
        bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
        Self { bench, drawn: 0 }
    }

    fn ask(&mut self, path: &str, mut body: Value) -> Value {
        self.drawn += 1;
        body["idempotency_token"] = json!(format!("before-{}", self.drawn));
        let heard = http::post(self.bench.address, path, &body.to_string(), &[("x_auth_token", TILL_TOKEN)]);
        let heard = heard.expect("an answer");
        assert_eq!(heard.status, 200, "{path}: {}", heard.body);
        heard.json()
    }

    fn stands(&self, id: &str) -> Value {
        let path = format!("/api/v1/payment/{id}/retrieve");
        http::get_with(self.bench.address, &path, &[("x_auth_token", TILL_TOKEN)]).expect("it").json()["payment"]
            .clone()
    }

    fn created(&mut self, method: &str) -> String {
        let (currency, amount) = if method == "sbp" { ("RUB", 950) } else { ("UZS", 12_500) };
        let money = json!({"method_id": method, "currency": currency, "amount": amount});
        let made = self.ask("/api/v1/payment/create", json!({"money_info": money}));
        made["transaction_id"].as_str().expect("its name").to_owned()
    }

    fn paid(&mut self, method: &str) -> String {
        let id = self.created(method);
        let info = match method {
            "click" => json!({"qr_code": format!("8801{:014}", self.drawn)}),
            "payme" => json!({"qr_code": format!("50500{:015}", self.drawn)}),
            _ => json!({}),
        };
        self.ask(&format!("/api/v1/payment/{id}/accept"), json!({"accept_info": info}));
        if method == "sbp" {
            self.bench.until("its code is shown", || self.stands(&id)["qr_link"].is_string());
            let link = self.stands(&id)["qr_link"].as_str().expect("a link").to_owned();
            self.bench.vendors.qrm().pay(&link).expect("a phone that pays");
        }
        self.bench.until("it is paid", || self.stands(&id)["status"] == "paid");
        id
    }

    /// The customer pays what is shown, so that the counter is free for the next one.
    fn settle(&mut self) {
        let open = "/api/v1/payment?status=awaiting_payer";
        let waiting = || {
            http::get_with(self.bench.address, open, &[("x_auth_token", TILL_TOKEN)]).expect("it").json()["payments"]
                .clone()
        };
        for payment in waiting().as_array().expect("a list") {
            if let Some(link) = payment["qr_link"].as_str() {
                self.bench.vendors.qrm().pay(link).expect("a phone that pays");
            }
        }
        self.bench.until("the counter is free", || waiting().as_array().is_some_and(Vec::is_empty));
    }

    /// A payment of the kind that the operation is about; nothing where it is about none.
    fn payment_for(&mut self, operation: &str) -> Option<String> {
        match operation {
            "editPayment" | "cancelPayment" | "acceptPayment" | "retrievePaymentStatus" | "callOff" => {
                Some(self.created("humo"))
            }
            "retrievePayment" | "findPayment" | "retrieveReceipt" | "bringReceipt" | "confirmClick" => {
                Some(self.paid("click"))
            }
            "confirmPayme" => Some(self.paid("payme")),
            "refundPayment" | "listRefunds" => Some(self.paid("humo")),
            "cancelSbpSale" => {
                let sale = json!({"amount": 95_000, "currency": "RUB", "display": false});
                let made = self.ask("/api/v1/sbp/sale", sale);
                Some(made["transaction_id"].as_str().expect("its name").to_owned())
            }
            name if name.contains("Sbp") => Some(self.paid("sbp")),
            _ => None,
        }
    }
}

fn operations(document: &Value) -> impl Iterator<Item = &str> {
    let items = document["paths"].as_object().into_iter().flatten();
    let operations = items.flat_map(|(_, item)| item.as_object().into_iter().flatten());
    operations.filter_map(|(_, operation)| operation["operationId"].as_str())
}

#[test]
fn every_curl_line_that_the_terminal_prints_of_itself_does_what_it_stands_under() {
    let mut world = World::begin();
    let page = world.bench.get("/reference").body;
    let document = world.bench.get("/openapi.json").json();
    let lines = lines(&page);
    let described: BTreeSet<&str> = operations(&document).collect();
    let printed: BTreeSet<&str> = lines.iter().map(|line| line.operation.as_str()).collect();
    assert_eq!(printed, described, "each operation has its line");
    assert_eq!(page.matches("curl -s").count(), lines.len(), "a line that stands under no operation is not run");
    let mut shell = Shell::open(&world.bench);
    shell.run(&format!("TOKEN={TILL_TOKEN}"));
    let mut wrong = Vec::new();
    for line in &lines {
        world.settle();
        let Line { operation, text } = line;
        let id = world.payment_for(operation).unwrap_or_else(|| "of-no-payment".to_owned());
        shell.run(&format!("ID={id}"));
        let limit_s = if operation == "followEvents" { STREAM_S } else { ANSWER_S };
        let settings = format!("write-out = \"\\n%{{http_code}}\"\nmax-time = {limit_s}\n");
        fs::write(world.bench.dir.path().join(".curlrc"), settings).expect("curl's settings");
        let said = shell.run(&text.replace(PRINTED_ADDRESS, &world.bench.address.to_string()));
        let (body, status) = said.rsplit_once('\n').unwrap_or(("", &said));
        if status != "200" || body.contains("\"is_success\":false") {
            wrong.push(format!("{operation}: {text}\n  {status} {body:.400}"));
        }
    }
    assert!(wrong.is_empty(), "printed, and not answered so:\n{}\n{}", wrong.join("\n"), world.bench.log());
    world.bench.audit();
}
