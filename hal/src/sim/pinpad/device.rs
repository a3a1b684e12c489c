//! What the simulated PinPad does with a request.

use std::sync::Arc;
use std::time::Duration;

use encoding_rs::WINDOWS_1251;
use tokio::time::{Instant, sleep, sleep_until};

use super::ledger::{Entry, Kind};
use super::line::{Broken, Line};
use super::paper::{self, Slip};
use super::{Behaviour, Delivery, Moment, Script, Shared};
use crate::pinpad::arcus2::request::AmountFormat;

/// A PRINT carries at most this many bytes.
const PIECE: usize = 500;

/// Serve requests for ever.
pub(super) async fn serve(shared: Arc<Shared>, mut line: Line) {
    let mut waiting = None;
    loop {
        let request = match waiting.take() {
            Some(request) => request,
            None => line.hear().await,
        };
        let Some(request) = Request::read(&request, shared.settings.amount_format) else { continue };
        shared.state().busy = true;
        let mut device = Device { shared: &shared, line: &mut line, script: Script::default() };
        let end = device.run(&request).await;
        {
            let mut state = shared.state();
            state.busy = false;
            state.screen.clear();
        }
        match end {
            Ok(()) => {}
            Err(Broken::NewRequest(next)) => waiting = Some(next),
            Err(Broken::NoAnswer) => {
                // It gives up, and says so to whoever may be there by now.
                if let Err(Broken::NewRequest(next)) = line.ask(&Script::default(), b"ENDTR").await {
                    waiting = Some(next);
                }
            }
            Err(Broken::Books) => tracing::error!("the simulated bank's books cannot be written"),
        }
    }
}

/// `class␛op␛currency␛amount␛reference␛`.
struct Request {
    code: (u16, u16),
    amount_minor: u64,
    reference: String,
}

impl Request {
    fn read(payload: &[u8], format: AmountFormat) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        let fields: Vec<&str> = text.split('\u{1b}').collect();
        let code = (fields.first()?.parse().ok()?, fields.get(1)?.parse().ok()?);
        let amount = fields.get(3).copied().unwrap_or_default();
        let amount_minor = match format {
            AmountFormat::Minor => amount.split('.').collect::<String>().parse().unwrap_or(0),
            AmountFormat::Decimal => {
                let (whole, cents) = amount.split_once('.').unwrap_or((amount, "00"));
                whole.parse::<u64>().unwrap_or(0) * 100 + cents.parse::<u64>().unwrap_or(0)
            }
        };
        Some(Self { code, amount_minor, reference: fields.get(4).copied().unwrap_or_default().to_owned() })
    }
}

/// How the wait for a card ended.
enum Card {
    Presented,
    RedButton,
    /// The till answered a ping with ER.
    TakenBack,
    Never,
}

struct Device<'a> {
    shared: &'a Shared,
    line: &'a mut Line,
    script: Script,
}

impl Device<'_> {
    async fn run(&mut self, request: &Request) -> Result<(), Broken> {
        match request.code {
            (1, 1) => self.with_card(request, Kind::Sale, "Оплата").await,
            (1, 11) => self.with_card(request, Kind::Refund, "Возврат").await,
            (1, 5) => self.void(request).await,
            (2, 1) => self.settle().await,
            (2, 10) => {
                let text = self.totals("КРАТКИЙ ОТЧЕТ", "");
                self.print_and_end(&text, "000").await
            }
            (2, 0) => {
                let ledger = self.shared.state().books.ledger.clone();
                let copies: String = ledger.open_shift().map(|e| paper::copy(e, self.terminal())).collect();
                let text = copies + &self.totals("ПОЛНЫЙ ОТЧЕТ", "");
                self.print_and_end(&text, "000").await
            }
            (2, 27) => {
                let last = self.shared.state().books.ledger.entries.last().cloned();
                match last {
                    Some(entry) => self.print_and_end(&paper::copy(&entry, self.terminal()), "000").await,
                    None => self.print_and_end("", "202").await,
                }
            }
            (9, 6) | (3, 5) => self.print_and_end("", "000").await,
            _ => self.print_and_end("", "402").await,
        }
    }

    async fn with_card(&mut self, request: &Request, kind: Kind, title: &str) -> Result<(), Broken> {
        self.script = {
            let mut state = self.shared.state();
            // A card from before this operation is a card that nobody waited for.
            state.in_hand = None;
            state.next.pop_front().unwrap_or_else(|| state.usual.clone())
        };
        if self.script.behaviour == Behaviour::Silence {
            // Nothing more is said; what the till says next begins something new.
            return Ok(());
        }
        self.tell("BEGINTR:").await?;
        if self.script.behaviour == Behaviour::CablePulled(Moment::BeforeCard) {
            self.line.pull();
        }
        let code = match self.wait_for_card().await? {
            Card::Presented => {
                if let Some(behaviour) = self.shared.state().in_hand.take() {
                    self.script.behaviour = behaviour;
                }
                self.decide()
            }
            Card::RedButton => Some("201".to_owned()),
            Card::TakenBack | Card::Never => Some("998".to_owned()),
        };
        if let Some(code) = code {
            return self.refuse(request, title, &code).await;
        }
        let charged = self.script.behaviour != Behaviour::EndWithoutResult { charged: false };
        let entry = charged
            .then(|| self.shared.state().books.authorise(kind, request.amount_minor))
            .transpose()
            .map_err(|_| Broken::Books)?;
        self.show("ОДОБРЕНО");
        match (&self.script.behaviour, entry) {
            (Behaviour::SilenceAfterCard, _) => Ok(()),
            (Behaviour::EndWithoutResult { .. }, _) | (_, None) => {
                self.status("СВЯЗЬ С БАНКОМ").await?;
                self.tell("ENDTR").await
            }
            (_, Some(entry)) => {
                self.pull_at(Moment::AfterCard);
                self.status("СВЯЗЬ С БАНКОМ").await?;
                let shown = match self.script.behaviour {
                    Behaviour::WrongAmountOnSlip(minor) => minor,
                    _ => entry.amount_minor,
                };
                let head =
                    Slip {
                        title, verdict: "ОДОБРЕНО", amount_minor: shown, code: "000", terminal: self.terminal()
                    };
                let slip = paper::slip(&head, entry.shift, Some(&entry));
                self.print(&slip).await?;
                self.tell_result("000", Some((&entry, shown))).await
            }
        }
    }

    /// The bank's answer, once a card is there: `None` = agreed.
    fn decide(&self) -> Option<String> {
        match &self.script.behaviour {
            Behaviour::Decline(code) => Some(code.clone()),
            Behaviour::WrongPin => Some("55".to_owned()),
            _ => None,
        }
    }

    async fn wait_for_card(&mut self) -> Result<Card, Broken> {
        if self.script.behaviour == Behaviour::CancelledAtPinPad {
            return Ok(Card::RedButton);
        }
        let begun = Instant::now();
        let shared = self.shared;
        // Enabled before the first message, so that a card presented while one is being said is not missed.
        let (card, red) = (shared.card.notified(), shared.red_button.notified());
        tokio::pin!(card, red);
        card.as_mut().enable();
        red.as_mut().enable();
        self.status("ВСТАВЬТЕ КАРТУ").await?;
        let comes = begun + self.script.card_after.unwrap_or(Duration::from_secs(24 * 3600));
        loop {
            tokio::select! {
                biased;
                () = &mut card => return Ok(Card::Presented),
                () = &mut red => return Ok(Card::RedButton),
                () = sleep_until(comes) => return Ok(Card::Presented),
                () = sleep(shared.settings.ping_every) => {}
            }
            if begun.elapsed() >= shared.settings.card_timeout {
                return Ok(Card::Never);
            }
            if self.line.ask(&self.script, b"PING:").await? == b"ER" {
                return Ok(Card::TakenBack);
            }
        }
    }

    /// An operation without a card goes by the script that was queued for it, never by the usual one.
    async fn begin_without_card(&mut self) -> Result<(), Broken> {
        self.script = self.shared.state().next.pop_front().unwrap_or_default();
        self.tell("BEGINTR:").await?;
        if self.script.behaviour == Behaviour::CablePulled(Moment::BeforeCard) {
            self.line.pull();
            return Err(Broken::NoAnswer);
        }
        Ok(())
    }

    async fn void(&mut self, request: &Request) -> Result<(), Broken> {
        self.begin_without_card().await?;
        let mut reference = request.reference.clone();
        if reference.is_empty() {
            reference = self.ask_for_reference().await?;
        }
        let voided = self.shared.state().books.void(&reference, request.amount_minor).map_err(|_| Broken::Books)?;
        let Some(entry) = voided else { return self.refuse(request, "Отмена", "202").await };
        self.pull_at(Moment::AfterCard);
        let head = Slip {
            title: "Отмена",
            verdict: "ОДОБРЕНО\n      ОПЕРАЦИЯ ОТМЕНЕНА",
            amount_minor: entry.amount_minor,
            code: "400",
            terminal: self.terminal(),
        };
        let slip = paper::slip(&head, entry.shift, Some(&entry));
        self.print(&slip).await?;
        self.tell_result("400", Some((&entry, entry.amount_minor))).await
    }

    /// The sale's RRN, from tag 1F8431 or else from a person at the till.
    async fn ask_for_reference(&mut self) -> Result<String, Broken> {
        let tags = self.line.ask(&self.script, b"GETTAGS:\x1F\x84\x31").await?;
        let at = tags.windows(3).position(|w| w == [0x1F, 0x84, 0x31]);
        if let Some(value) = at.and_then(|at| {
            let length = usize::from(*tags.get(at + 3)?);
            tags.get(at + 4..at + 4 + length)
        }) {
            return Ok(String::from_utf8_lossy(value).into_owned());
        }
        let typed = self.line.ask(&self.script, b"DATAENTRY:RRN").await?;
        let typed = String::from_utf8_lossy(&typed).into_owned();
        Ok(typed.split('\u{1b}').nth(1).unwrap_or_default().to_owned())
    }

    async fn settle(&mut self) -> Result<(), Broken> {
        let text = self.totals("СВЕРКА ИТОГОВ", "Итоги совпали");
        self.begin_without_card().await?;
        self.shared.state().books.settle().map_err(|_| Broken::Books)?;
        self.pull_at(Moment::AfterCard);
        self.print(&text).await?;
        self.tell_result("000", None).await
    }

    async fn refuse(&mut self, request: &Request, title: &str, code: &str) -> Result<(), Broken> {
        self.show("ОТКАЗАНО");
        let shift = self.shared.state().books.ledger.shift;
        let amount_minor = request.amount_minor;
        let head = Slip { title, verdict: "ОТКАЗАНО", amount_minor, code, terminal: self.terminal() };
        let slip = paper::slip(&head, shift, None);
        // A bank that was asked prints why it refused; an operation that never reached it prints nothing.
        if !matches!(code, "201" | "998") {
            self.print(&slip).await?;
        }
        self.tell_result(code, None).await
    }

    async fn print_and_end(&mut self, text: &str, code: &str) -> Result<(), Broken> {
        self.tell("BEGINTR:").await?;
        self.print(text).await?;
        self.tell_result(code, None).await
    }

    async fn print(&mut self, text: &str) -> Result<(), Broken> {
        let (bytes, _, _) = WINDOWS_1251.encode(text);
        for piece in bytes.chunks(PIECE) {
            let message = [b"PRINT:", piece].concat();
            self.line.ask(&self.script, &message).await?;
        }
        Ok(())
    }

    async fn tell_result(&mut self, code: &str, entry: Option<(&Entry, u64)>) -> Result<(), Broken> {
        self.pull_at(Moment::BeforeResult);
        let tags = entry.map_or_else(String::new, |(entry, minor)| {
            format!(
                "RC={code}\u{1b}RRN={}\u{1b}AUTH={}\u{1b}TERM={}\u{1b}AMOUNT={minor}",
                entry.rrn,
                entry.authorisation_code,
                self.terminal(),
            )
        });
        let result = format!("STORERC:{code}");
        if self.script.behaviour == Behaviour::CutMidFrame {
            self.line.say_half(result.as_bytes()).await;
            return Ok(());
        }
        let rest = [result, format!("SETTAGS:{tags}"), "ENDTR".to_owned()];
        if self.script.delivery == Delivery::Joined {
            return self.line.tell_joined(&self.script, &rest).await;
        }
        for message in &rest {
            if message == "ENDTR" {
                self.pull_at(Moment::BeforeEnd);
            }
            self.tell(message).await?;
        }
        Ok(())
    }

    fn pull_at(&mut self, moment: Moment) {
        if self.script.behaviour == Behaviour::CablePulled(moment) {
            self.line.pull();
        }
    }

    async fn status(&mut self, text: &str) -> Result<(), Broken> {
        self.show(text);
        self.tell(&format!("STATUS:{text}")).await
    }

    async fn tell(&mut self, message: &str) -> Result<(), Broken> {
        self.line.tell(&self.script, message).await
    }

    fn show(&self, text: &str) {
        self.shared.state().screen = text.to_owned();
    }

    fn totals(&self, title: &str, last: &str) -> String {
        paper::totals(&self.shared.state().books.ledger, self.terminal(), title, last)
    }

    fn terminal(&self) -> &str {
        &self.shared.settings.terminal_id
    }
}
