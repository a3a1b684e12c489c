//! The document of OFD.ru, "Ferma" (seed 004 §5.1; providers.md §6). Sums are roubles; the tax is calculated by the operator, so only its
//! code is checked.

use super::document::{Document, Sold};
use super::reader::{Need, Notes, Object};
use super::vat;
use crate::payment::money::Money;

const TAXATION: [&str; 6] = ["Common", "SimpleIn", "SimpleInOut", "Unified", "UnifiedAgricultural", "Patent"];

/// Check the document. What is wrong is in `notes`; the answer is worth something only where nothing was refused.
pub(super) fn check<'a>(root: Object<'a>, sold: &Sold<'_>, notes: &mut Notes) -> Option<Document<'a>> {
    let request = root.object("Request", Need::Required, notes)?;
    let number_missing = super::document::number_of(&request, "InvoiceId", sold.number, notes);
    request.inn("Inn", Need::Required, notes);
    kind(&request, notes);
    if let Some(date) = request.text("LocalDate", Need::Optional, 19, notes)
        && !is_local_date(&date)
    {
        notes.refuse(request.at("LocalDate"), "write the date and time as yyyy-mm-ddTHH:MM:SS");
    }
    request.text("CallbackUrl", Need::Optional, 256, notes);
    let receipt = request.object("CustomerReceipt", Need::Required, notes)?;
    receipt.word("TaxationSystem", Need::Required, &TAXATION, notes);
    let email = receipt.email("Email", Need::Optional, notes).is_some();
    receipt.text("Phone", Need::Optional, 64, notes);
    if receipt.value("Email").is_none() && receipt.value("Phone").is_none() {
        notes.refuse(receipt.at("Email"), "write the payer's Email or Phone: the receipt is sent there");
    }
    receipt.whole("PaymentType", Need::Optional, 0, 9, notes);
    receipt.text("BillAddress", Need::Optional, 256, notes);
    if let Some(cashier) = receipt.object("Cashier", Need::Optional, notes) {
        cashier.text("Name", Need::Optional, 64, notes);
    }
    let items = receipt.objects("Items", 1, 100, notes);
    let items: Vec<Option<Money>> = items.iter().map(|item| position(item, notes)).collect();
    let paid = receipt.objects("PaymentItems", 0, 10, notes);
    let payments: Vec<Option<Money>> = paid
        .iter()
        .map(|payment| {
            payment.whole("PaymentType", Need::Required, 0, 9, notes);
            payment.roubles("Sum", Need::Required, notes)
        })
        .collect();
    // The document has no total of its own: it is what was paid, or else what the items cost.
    let (sums, total_path) = match payments.is_empty() {
        true => (items.clone(), receipt.at("Items")),
        false => (payments, receipt.at("PaymentItems")),
    };
    let total = super::document::added(sums.into_iter())?;
    super::document::sums(&receipt.at("Items"), items.into_iter(), total, notes);
    Some(Document { total, total_path, email, number_missing, holder: request.raw })
}

/// A receipt for money that came in. Other kinds of it than the document's example may exist; a return or a correction is none.
fn kind(request: &Object<'_>, notes: &mut Notes) {
    let Some(kind) = request.text("Type", Need::Required, 64, notes) else { return };
    let incoming = kind.starts_with("Income") && !kind.contains("Return") && !kind.contains("Correction");
    if !incoming {
        notes.refuse(request.at("Type"), "write Income: it is the receipt of a sale");
    } else if kind != "Income" {
        notes.warn(request.at("Type"), format!("Income is usual for a sale, {kind} is not"));
    }
}

fn position(item: &Object<'_>, notes: &mut Notes) -> Option<Money> {
    item.text("Label", Need::Required, 128, notes);
    let price = item.roubles("Price", Need::Required, notes);
    let quantity = item.quantity("Quantity", notes);
    let amount = item.roubles("Amount", Need::Required, notes);
    super::document::multiplied(&item.at("Amount"), price, quantity, amount, notes);
    item.word("Vat", Need::Required, &vat::FERMA, notes);
    item.whole("PaymentMethod", Need::Optional, 1, 7, notes);
    amount
}

/// yyyy-mm-ddTHH:MM:SS
fn is_local_date(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else { return false };
    let fields: Vec<&str> = date.split('-').collect();
    let [year, month, day] = fields.as_slice() else { return false };
    super::document::is_date(year, month, day) && super::document::is_time(time)
}
