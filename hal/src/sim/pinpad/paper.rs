//! What the simulated PinPad prints: the vendor's slip (seed 001) with the ledger's values.

use super::ledger::{Entry, Kind, Ledger};

const RULE: &str = "====================================\n";

/// The head of a slip, before its verdict.
pub(super) struct Slip<'a> {
    pub(super) title: &'a str,
    pub(super) verdict: &'a str,
    pub(super) amount_minor: u64,
    pub(super) code: &'a str,
    pub(super) terminal: &'a str,
}

pub(super) fn sum(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// A slip; `entry` is absent for a refusal.
pub(super) fn slip(head: &Slip<'_>, shift: u32, entry: Option<&Entry>) -> String {
    let receipt = entry.map_or(0, |e| e.receipt_number);
    let mut out = format!(
        "ОБЫЧНЫЙ ТОВАР\nID Терминала:{}  Номер смены {shift}\nID Организации:190339999999902 \n\
         {:>36}\n{:>21}\n{:>22}\nСУММА:{:>26} UZS\n\
         AID: A0860001000001    HUMO- EMV ICC\nTVR: 0000008000TSI:E800\n\
         Карта: HUMO              Срок: 01/25\n        986009******7856:01\n          HUMO CARDTEST14\n\
         Введен                   offline-PIN\n",
        head.terminal,
        format!("Чек {receipt}"),
        head.title,
        head.verdict,
        sum(head.amount_minor),
    );
    if let Some(entry) = entry {
        out.push_str(&format!("Код авторизации: {} \n", entry.authorisation_code));
    }
    out.push_str(&format!("{:>32}\n{}\n", "Код ответа:", head.code));
    if let Some(entry) = entry {
        out.push_str(&format!("RRN:{} \n", entry.rrn));
    }
    out.push_str(&format!("{:>27}\n17:01:07\nUniv. EMV POS 1.0.0/(MP) /687\n \n{RULE}", "Дата:11/11/22"));
    out
}

/// The slip of a past operation, as a report prints it.
pub(super) fn copy(entry: &Entry, terminal: &str) -> String {
    let (title, verdict, code) = match entry.kind {
        Kind::Sale if entry.voided => ("Оплата", "ОДОБРЕНО\n      ОПЕРАЦИЯ ОТМЕНЕНА", "000"),
        Kind::Sale => ("Оплата", "ОДОБРЕНО", "000"),
        Kind::Refund => ("Возврат", "ОДОБРЕНО", "000"),
    };
    slip(&Slip { title, verdict, amount_minor: entry.amount_minor, code, terminal }, entry.shift, Some(entry))
}

/// The totals of the open shift.
pub(super) fn totals(ledger: &Ledger, terminal: &str, title: &str, last: &str) -> String {
    let of = |kind| ledger.open_shift().filter(move |e| e.kind == kind && !e.voided);
    let total = |kind| of(kind).map(|e| e.amount_minor).sum::<u64>();
    format!(
        "ID Терминала:{terminal}  Номер смены {}\n{title:>24}\nПродаж: {}   на {} UZS\nВозвратов: {}   на {} UZS\n{last}\n{RULE}",
        ledger.shift,
        of(Kind::Sale).count(),
        sum(total(Kind::Sale)),
        of(Kind::Refund).count(),
        sum(total(Kind::Refund)),
    )
}
