//! A till in its smallest honest form: it sells, brings the fiscal receipt, prints its link, and after its own crash finishes what it had begun.
//!
//! ```sh
//! cargo run --example till -- http://127.0.0.1:8080 TOKEN till.json auto UZS 12500 [QR_CODE]
//! ```
//!
//! What it is about to ask stands in a file before it asks, with the tokens that it asks under. Whoever repeats a request under its token hears
//! what became of the first one, so recovery is nothing but doing the same again. What was begun is finished first, with its own words; an order
//! that is refused for good is put aside (`till.refused`), and the next one goes on.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::Client;
use serde_json::{Value, json};

/// The terminal does not take this request, and will not if it is sent again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

struct Till {
    http: Client,
    base: String,
    token: String,
}

impl Till {
    /// One answer of the terminal. What says "come again" (busy, overloaded, restarting) is asked again, under the same token.
    async fn ask(&self, path: &str, body: Option<Value>) -> Result<Value> {
        let url = format!("{}/api/v1/payment{path}", self.base);
        for _ in 0..120 {
            let request = match &body {
                Some(body) => self.http.post(&url).header("content-type", "application/json").body(body.to_string()),
                None => self.http.get(&url),
            };
            match request.header("x_auth_token", &self.token).send().await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let told: Value = serde_json::from_slice(&answer.bytes().await?)?;
                    let said = format!("{} ({}) {}", told["message"], told["code"], told["advice"]);
                    match (status, told["code"].as_str()) {
                        (200, _) => return Ok(told),
                        // That says nothing about the order: it stays where it is.
                        (_, Some("acces_error")) => bail!(said),
                        (_, Some("busy" | "pinpad_busy")) => eprintln!("{said}"),
                        (500.., code) if code != Some("not_configured") => eprintln!("{said}"),
                        _ => bail!(Refused(said)),
                    }
                }
                Err(error) => eprintln!("the terminal does not answer: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bail!("{path}: the terminal was asked in vain for a minute")
    }

    /// From the order to its end, from the beginning or from wherever the till was when it crashed.
    async fn sell(&self, order: &Value) -> Result<()> {
        let token = |what: &str| format!("{}-{what}", text(&order["token"]));
        let create = json!({ "idempotency_token": token("create"), "money_info": order["money_info"] });
        let id = text(&self.ask("/create", Some(create)).await?["transaction_id"]).to_owned();

        let info = order["qr_code"].as_str().map_or_else(|| json!({}), |code| json!({ "qr_code": code }));
        let accept = json!({ "idempotency_token": token("accept"), "accept_info": info });
        let accepted = self.ask(&format!("/{id}/accept"), Some(accept)).await;
        let mut told = self.ask(&format!("/{id}/retrieve/status"), None).await?;
        // A refused one may have ended, or been accepted, before. What nobody has accepted is called off: then it is known that nobody paid.
        if accepted.is_err() && told["payment_status"] == "created" {
            let cancel = json!({ "idempotency_token": token("cancel") });
            self.ask(&format!("/{id}/cancel"), Some(cancel)).await?;
            return accepted.map(drop);
        }
        while let status @ ("awaiting_payer" | "bank_processing" | "in_doubt") = text(&told["payment_status"]) {
            println!("{id} {status}");
            // In doubt nothing is sold again: the terminal asks, or a person finds out, and then the status changes.
            told = self.ask(&format!("/{id}/retrieve/status?wait=30&seen={status}"), None).await?;
        }
        let payment = self.ask(&format!("/{id}/retrieve"), None).await?["payment"].clone();
        println!("{id} {}", text(&payment["status"]));
        if payment["status"] != "paid" {
            println!("not paid: {}", text(&payment["error"]["message"]));
            return Ok(());
        }
        if payment["receipt"] == "owed" && matches!(text(&payment["sender"]["method_id"]), "click" | "payme") {
            let receipt = json!({ "link": fiscal_receipt(&id) });
            self.ask(&format!("/{id}/receipt"), Some(receipt)).await?;
        }
        let receipt = self.ask(&format!("/{id}/receipt"), None).await?;
        println!("receipt {} {}", text(&receipt["state"]), text(&receipt["link"]));
        Ok(())
    }

    /// Paid or not, the order is over then; a refused one is kept aside for whoever wants to know.
    async fn finish(&self, file: &Path, order: &Value) -> Result<()> {
        match self.sell(order).await {
            Err(why) if why.is::<Refused>() => {
                println!("this order is refused and put aside: {why}");
                Ok(fs::rename(file, file.with_extension("refused"))?)
            }
            sold => sold.and_then(|()| fs::remove_file(file).context("its file cannot be removed")),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// A real till asks its fiscal module here, once for a sale: after a crash it has to find the same receipt again.
fn fiscal_receipt(id: &str) -> String {
    let number = id.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 1_000_000;
    format!("https://ofd.soliq.uz/check?t=UZ170703100597&r={number}&c=20260301121801&s=514343190161")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [base, token, file, rest @ ..] = words.as_slice() else {
        bail!("URL TOKEN FILE METHOD CURRENCY AMOUNT [QR_CODE]")
    };
    // For `https` the library wants to be told which cryptography to use; it does not matter to plain `http`.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Client::builder().timeout(Duration::from_secs(40)).no_proxy().build()?;
    let till = Till { http, base: base.trim_end_matches('/').to_owned(), token: token.clone() };
    let file = Path::new(file);
    if file.exists() {
        let begun: Value = serde_json::from_str(&fs::read_to_string(file)?).context("what was begun")?;
        println!("finishing first what was begun: {}", begun["words"]);
        till.finish(file, &begun).await?;
        // The same words again mean the same order, and not another sale.
        if rest.is_empty() || begun["words"] == json!(rest) {
            return Ok(());
        }
    }
    let [method, currency, amount, code @ ..] = rest else { bail!("METHOD CURRENCY AMOUNT [QR_CODE] are missing") };
    let amount: serde_json::Number = amount.parse().context("AMOUNT is a decimal, as in 12500.50")?;
    let money_info = json!({ "method_id": method, "currency": currency, "amount": amount });
    let token = uuid::Uuid::new_v4();
    let order = json!({ "token": token.to_string(), "words": rest, "money_info": money_info, "qr_code": code.first() });
    // It is on the disk before anybody is asked for anything.
    let mut new = File::create(file.with_extension("new"))?;
    new.write_all(order.to_string().as_bytes())?;
    new.sync_all()?;
    fs::rename(file.with_extension("new"), file)?;
    till.finish(file, &order).await
}
