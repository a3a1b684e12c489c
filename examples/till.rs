//! A till in its smallest honest form: it sells, brings the fiscal receipt, prints its link, and after its own crash finishes what it had begun.
//!
//! ```sh
//! cargo run --example till -- http://127.0.0.1:8080 TOKEN till.json auto UZS 12500 [QR_CODE]
//! ```
//!
//! What it is about to ask stands in a file before it asks, with the tokens that it asks under. Whoever repeats a request under its token hears
//! what became of the first one, so recovery is nothing but doing the same again.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, Method};
use serde_json::{Value, json};

struct Till {
    http: Client,
    base: String,
    token: String,
}

impl Till {
    /// One answer of the terminal. What says "come again" (busy, overloaded, restarting) is asked again, under the same token.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        for _ in 0..120 {
            let request = self.http.request(method.clone(), format!("{}{path}", self.base));
            let request = request.header("x_auth_token", &self.token).header("content-type", "application/json");
            let request = if method == Method::POST { request.body(body.to_string()) } else { request };
            match request.send().await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let told: Value = serde_json::from_slice(&answer.bytes().await?)?;
                    let again = matches!(told["code"].as_str(), Some("busy" | "pinpad_busy"));
                    match status {
                        200 => return Ok(told),
                        500.. => eprintln!("the terminal cannot now: {}", told["message"]),
                        _ if again => eprintln!("{}", told["message"]),
                        _ => bail!("{path}: {} ({}) {}", told["message"], told["code"], told["advice"]),
                    }
                }
                Err(error) => eprintln!("the terminal does not answer: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bail!("{path}: the terminal was asked in vain for a minute")
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, &Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.ask(Method::POST, path, &body).await
    }

    /// From the order to its end, from the beginning or from wherever the till was when it crashed.
    async fn sell(&self, order: &Value) -> Result<()> {
        let token = |what: &str| format!("{}-{what}", order["token"].as_str().unwrap_or_default());
        let create = json!({ "idempotency_token": token("create"), "money_info": order["money_info"] });
        let created = self.post("/api/v1/payment/create", create).await?;
        let id = created["transaction_id"].as_str().context("a transaction_id")?.to_owned();
        let path = format!("/api/v1/payment/{id}");

        let info = order["qr_code"].as_str().map_or_else(|| json!({}), |code| json!({ "qr_code": code }));
        let accept = json!({ "idempotency_token": token("accept"), "accept_info": info });
        let mut status = self.post(&format!("{path}/accept"), accept).await?["payment_status"].clone();
        while matches!(status.as_str(), Some("awaiting_payer" | "bank_processing" | "in_doubt")) {
            println!("{id} {}", status.as_str().unwrap_or_default());
            // In doubt nothing is sold again: the terminal asks, or a person finds out, and then the status changes.
            let seen = status.as_str().unwrap_or_default().to_owned();
            let told = self.get(&format!("{path}/retrieve/status?wait=30&seen={seen}")).await?;
            status = told["payment_status"].clone();
        }
        let payment = self.get(&format!("{path}/retrieve")).await?["payment"].clone();
        println!("{id} {}", payment["status"].as_str().unwrap_or_default());
        if payment["status"] != "paid" {
            println!("not paid: {}", payment["error"]["message"]);
            return Ok(());
        }
        let by_link = matches!(payment["sender"]["method_id"].as_str(), Some("click" | "payme"));
        if payment["receipt"] == "owed" && by_link {
            let receipt = json!({ "link": fiscal_receipt(&id) });
            self.post(&format!("{path}/receipt"), receipt).await?;
        }
        let receipt = self.get(&format!("{path}/receipt")).await?;
        println!(
            "receipt {} {}",
            receipt["state"].as_str().unwrap_or_default(),
            receipt["link"].as_str().unwrap_or("-")
        );
        Ok(())
    }
}

/// A real till asks its fiscal module here, once for a sale: after a crash it has to find the same receipt again.
fn fiscal_receipt(id: &str) -> String {
    let number = id.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 1_000_000;
    format!("https://ofd.soliq.uz/check?t=UZ170703100597&r={number}&c=20260301121801&s=514343190161")
}

/// The order that the till was at when it crashed, or a new one, which is on the disk before anybody is asked for anything.
fn order(file: &Path, rest: &[String]) -> Result<Value> {
    if let Ok(text) = fs::read_to_string(file) {
        println!("finishing what was begun");
        return serde_json::from_str(&text).context("the file of the order that was begun");
    }
    let [method, currency, amount, code @ ..] = rest else { bail!("METHOD CURRENCY AMOUNT [QR_CODE] are missing") };
    let amount: serde_json::Number = amount.parse().context("AMOUNT is a decimal, as in 12500.50")?;
    let money_info = json!({ "method_id": method, "currency": currency, "amount": amount });
    let order = json!({ "token": uuid::Uuid::new_v4().to_string(), "money_info": money_info, "qr_code": code.first() });
    let new = file.with_extension("new");
    let mut written = File::create(&new)?;
    written.write_all(order.to_string().as_bytes())?;
    written.sync_all()?;
    fs::rename(&new, file)?;
    Ok(order)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [base, token, file, rest @ ..] = words.as_slice() else {
        bail!("usage: till URL TOKEN FILE METHOD CURRENCY AMOUNT [QR_CODE]");
    };
    // For `https` the library wants to be told which cryptography to use; it does not matter to plain `http`.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Client::builder().timeout(Duration::from_secs(40)).no_proxy().build()?;
    let till = Till { http, base: base.trim_end_matches('/').to_owned(), token: token.clone() };
    let file = Path::new(file);
    till.sell(&order(file, rest)?).await?;
    fs::remove_file(file).context("the sale is over, and its file cannot be removed")
}
