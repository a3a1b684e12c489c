//! The document of ATOL online, protocol v4 (seed 004 §5.1; providers.md §6). Sums are roubles.
//!
//! What the operator certainly refuses is refused here; what it may take, or what the document's own examples break, is warned of.

use super::document::{Document, Sold};
use super::reader::{Need, Notes, Object};
use super::vat;
use crate::payment::money::Money;

const SNO: [&str; 6] = ["osn", "usn_income", "usn_income_outcome", "envd", "esn", "patent"];

const PAYMENT_METHODS: [&str; 7] =
    ["full_prepayment", "prepayment", "advance", "full_payment", "partial_payment", "credit", "credit_payment"];

/// One position, as far as its sums are checked against others.
struct Item {
    sum: Option<Money>,
    vat: Option<String>,
}

/// Check the document. What is wrong is in `notes`; the answer is worth something only where nothing was refused.
pub(super) fn check<'a>(root: Object<'a>, sold: &Sold<'_>, notes: &mut Notes) -> Option<Document<'a>> {
    let number_missing = super::document::number_of(&root, "external_id", sold.number, notes);
    if let Some(timestamp) = root.text("timestamp", Need::Required, 19, notes)
        && !is_timestamp(&timestamp)
    {
        notes.refuse(root.at("timestamp"), "write the date and time as dd.mm.yyyy HH:MM:SS");
    }
    if let Some(service) = root.object("service", Need::Optional, notes) {
        service.text("callback_url", Need::Optional, 256, notes);
    }
    let receipt = root.object("receipt", Need::Required, notes)?;
    let email = client(&receipt, notes);
    company(&receipt, notes);
    let items: Vec<Item> = receipt.objects("items", 1, 100, notes).iter().map(|item| position(item, notes)).collect();
    let paid = receipt.objects("payments", 1, 10, notes);
    let payments: Vec<Option<Money>> = paid
        .iter()
        .map(|payment| {
            payment.whole("type", Need::Required, 0, 9, notes);
            payment.roubles("sum", Need::Required, notes)
        })
        .collect();
    let total = receipt.roubles("total", Need::Required, notes);
    receipt.text("cashier", Need::Optional, 64, notes);
    let total = total?;
    super::document::sums(&receipt.at("items"), items.iter().map(|item| item.sum), total, notes);
    if let Some(sum) = super::document::added(payments.into_iter())
        && sum != total
    {
        let text = format!("the payments add up to {}, and the total is {}", sum.decimal(), total.decimal());
        notes.warn(receipt.at("payments"), text);
    }
    vats(&receipt, &items, total, notes);
    Some(Document { total, total_path: receipt.at("total"), email, number_missing, holder: root.raw })
}

/// Who gets the receipt. Whether there is an e-mail address.
fn client(receipt: &Object<'_>, notes: &mut Notes) -> bool {
    let Some(client) = receipt.object("client", Need::Required, notes) else { return false };
    let email = client.email("email", Need::Optional, notes).is_some();
    let phone = client.text("phone", Need::Optional, 64, notes).is_some();
    if !email && !phone && client.value("email").is_none() && client.value("phone").is_none() {
        notes.refuse(client.at("email"), "write the payer's email or phone: the receipt is sent there");
    }
    email
}

fn company(receipt: &Object<'_>, notes: &mut Notes) {
    let Some(company) = receipt.object("company", Need::Required, notes) else { return };
    company.inn("inn", Need::Required, notes);
    company.email("email", Need::Optional, notes);
    company.word("sno", Need::Optional, &SNO, notes);
    // QRManager writes its own in its place, so one that is left out is not missed.
    company.text("payment_address", Need::Optional, 256, notes);
}

fn position(item: &Object<'_>, notes: &mut Notes) -> Item {
    item.text("name", Need::Required, 128, notes);
    let price = item.roubles("price", Need::Required, notes);
    let quantity = item.quantity("quantity", notes);
    let sum = item.roubles("sum", Need::Required, notes);
    super::document::multiplied(&item.at("sum"), price, quantity, sum, notes);
    item.word("payment_method", Need::Optional, &PAYMENT_METHODS, notes);
    item.text("payment_object", Need::Optional, 64, notes);
    let vat = item.object("vat", Need::Optional, notes).and_then(|tax| {
        let name = tax.word("type", Need::Required, &vat::ATOL, notes)?;
        let given = tax.roubles("sum", Need::Optional, notes);
        warn_of_vat(&tax, &name, given, sum, 1, notes);
        Some(name)
    });
    Item { sum, vat }
}

/// The taxes of the whole receipt. Of several, each is about the positions that name it.
fn vats(receipt: &Object<'_>, items: &[Item], total: Money, notes: &mut Notes) {
    let found = receipt.objects("vats", 0, 6, notes);
    if receipt.value("vats").is_some() && found.is_empty() {
        notes.refuse(receipt.at("vats"), "write 1 to 6 entries, or leave it out and give every item its vat");
    }
    if receipt.value("vats").is_none() && items.iter().any(|item| item.vat.is_none()) {
        notes.refuse(receipt.at("vats"), "write the receipt's taxes here, or a vat in every item");
    }
    for tax in &found {
        let Some(name) = tax.word("type", Need::Required, &vat::ATOL, notes) else { continue };
        let given = tax.roubles("sum", Need::Optional, notes);
        let named: Vec<&Item> = items.iter().filter(|item| item.vat.as_deref() == Some(name.as_str())).collect();
        let taxed = match (named.is_empty(), found.len()) {
            (false, _) => super::document::added(named.iter().map(|item| item.sum)),
            (true, 1) => Some(total),
            (true, _) => None,
        };
        warn_of_vat(tax, &name, given, taxed, items.len(), notes);
    }
}

fn warn_of_vat(
    tax: &Object<'_>,
    name: &str,
    given: Option<Money>,
    taxed: Option<Money>,
    lines: usize,
    notes: &mut Notes,
) {
    let (Some(given), Some(taxed), Some(rate)) = (given, taxed, vat::of_atol(name)) else { return };
    if !vat::agrees(given, taxed, rate.percent, lines) {
        let right = vat::within(taxed, rate.percent).decimal();
        let text = format!("{name} of {} is {right}, not {}", taxed.decimal(), given.decimal());
        notes.warn(tax.at("sum"), text);
    }
}

/// dd.mm.yyyy HH:MM:SS
fn is_timestamp(text: &str) -> bool {
    let Some((date, time)) = text.split_once(' ') else { return false };
    let fields: Vec<&str> = date.split('.').collect();
    let [day, month, year] = fields.as_slice() else { return false };
    super::document::is_date(year, month, day) && super::document::is_time(time)
}
