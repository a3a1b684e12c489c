//! The PinPad, with the bank's book behind it: a dialogue is a row of words; one of them is where the money moves. It has power of its
//! own and may go on, or give up, when the terminal falls silent.

use std::collections::VecDeque;

use tolov::payment::card::{Question, ResultClass, RunId, RunResult, Slip};
use tolov::payment::event::{Event, PinpadOrder, RunEnd, Said};
use tolov::payment::sale::Private;

use super::dice::Dice;

/// What the bank knows.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// `None`: made by the till program that was here before us.
    pub(crate) run: Option<RunId>,
    pub(crate) amount: i64,
    /// Money went back, for the sale with this RRN.
    pub(crate) of: Option<String>,
    rrn: String,
    number: u64,
    shift: u64,
}

#[derive(Clone, Debug)]
enum Word {
    Say(Said),
    /// Here the money moves.
    Move(i64, Option<String>),
    CloseShift,
    End,
}

#[derive(Default)]
struct Talk {
    run: Option<RunId>,
    words: VecDeque<Word>,
    sequence: u32,
    /// Waits for this evidence to be released.
    held: bool,
    card: bool,
    /// The line was lost: what is left is heard only by whoever asks for it, and answered unheard before anything new.
    unheard: bool,
    /// The card is in already: too late for ER, though nothing was said of it yet.
    too_late: bool,
}

pub(crate) struct Pinpad {
    pub(crate) up: bool,
    pub(crate) book: Vec<Operation>,
    pub(crate) closed: Vec<RunId>,
    talk: Talk,
    pub(crate) shift: u64,
    next: u64,
    /// A void's slip shows the sale's RRN, or its own.
    void_shows_sale: bool,
    /// It does not know operation 2,27.
    mute_about_last: bool,
}

impl Pinpad {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let mut this = Self {
            up: false,
            book: Vec::new(),
            closed: Vec::new(),
            talk: Talk::default(),
            shift: 1 + dice.below(3),
            next: dice.below(50),
            void_shows_sale: dice.percent(50),
            mute_about_last: dice.percent(20),
        };
        if dice.percent(50) {
            this.write(None, 50_000, None);
        }
        this
    }

    fn write(&mut self, run: Option<RunId>, amount: i64, of: Option<String>) -> Slip {
        self.next += 1;
        let own = format!("{:012}", 900_000 + self.next);
        let rrn = of.clone().filter(|_| self.void_shows_sale).unwrap_or(own);
        let operation = Operation { run, amount, of, rrn, number: self.next, shift: self.shift };
        let slip = operation.slip();
        self.book.push(operation);
        slip
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.talk.run.is_some() && !self.talk.unheard
    }

    /// An order arrives. What the terminal hears at once.
    pub(crate) fn start(&mut self, run: RunId, order: &PinpadOrder, dice: &mut Dice, faults: bool) -> Option<Event> {
        if !self.up || self.is_busy() {
            let end = RunEnd::NotSent { why: "the line is down or busy".into() };
            return Some(Event::PinpadFinished { run, end });
        }
        let fate = if faults { dice.below(16) } else { 15 };
        let (amount, of) = match order {
            PinpadOrder::Sale(m) => (m.minor(), None),
            PinpadOrder::Void { amount, rrn, .. } | PinpadOrder::Refund { amount, rrn } => {
                (amount.minor(), Some(rrn.clone()))
            }
            PinpadOrder::Settlement => (0, None),
        };
        let say = |code: &str, class| Word::Say(Said::Result(RunResult { code: code.into(), class }));
        let mut words = VecDeque::new();
        if *order == PinpadOrder::Settlement {
            let report = Slip { shift: Some(self.shift.to_string()), totals_agree: Some(true), ..Slip::default() };
            words.extend([
                Word::Say(Said::CardPresented),
                Word::CloseShift,
                Word::Say(print(report)),
                say("00", ResultClass::Approved),
            ]);
        } else if fate == 0 {
            words.extend([Word::Say(Said::CardPresented), say("051", ResultClass::Declined)]);
        } else if fate == 1 {
            words.push_back(say("999", ResultClass::Cancelled));
        } else {
            // One wrong setting, and the bank takes a hundred times as much.
            let moved = if fate == 2 { amount * 100 } else { amount };
            words.extend([Word::Say(Said::CardPresented), Word::Move(moved, of)]);
            if fate != 3 {
                let class = if matches!(order, PinpadOrder::Void { .. }) {
                    ResultClass::ApprovedForVoid
                } else {
                    ResultClass::Approved
                };
                words.push_back(say("00", class));
            }
        }
        words.push_back(Word::End);
        let too_late = faults && dice.percent(30);
        self.talk = Talk { run: Some(run), words, too_late, ..Talk::default() };
        None
    }

    /// The PinPad's next word, if it may speak.
    pub(crate) fn speak(&mut self) -> Option<Event> {
        let run = self.talk.run.filter(|_| self.up && !self.talk.held && !self.talk.unheard)?;
        match self.talk.words.pop_front()? {
            Word::Say(said) => {
                self.talk.card |= said == Said::CardPresented;
                self.talk.held = true;
                let sequence = self.talk.sequence;
                self.talk.sequence += 1;
                Some(Event::PinpadSaid { run, sequence, said })
            }
            Word::End => {
                self.talk = Talk::default();
                Some(Event::PinpadFinished { run, end: RunEnd::Ended })
            }
            Word::Move(amount, of) => {
                let slip = self.write(Some(run), amount, of);
                self.talk.words.push_front(Word::Say(print(slip)));
                self.speak()
            }
            Word::CloseShift => {
                self.shift += 1;
                self.closed.push(run);
                self.speak()
            }
        }
    }

    pub(crate) fn release(&mut self, run: RunId, sequence: u32) {
        if self.talk.run == Some(run) && self.talk.sequence == sequence + 1 {
            self.talk.held = false;
        }
    }

    /// ER, as long as no card was presented.
    pub(crate) fn cancel(&mut self, run: RunId) {
        if self.talk.run == Some(run) && !self.talk.card && !self.talk.held && !self.talk.too_late {
            let result = RunResult { code: "999".into(), class: ResultClass::Cancelled };
            self.talk.words = [Word::Say(Said::Result(result)), Word::End].into();
        }
    }

    /// The terminal falls silent: the cable, or its power. The PinPad gives up, or goes on alone. What the terminal's port says of it, if it lives.
    pub(crate) fn lose(&mut self, dice: &mut Dice) -> Option<Event> {
        self.up = false;
        let run = self.talk.run?;
        let goes_on = dice.percent(60);
        if goes_on && let Some(at) = self.talk.words.iter().position(|w| matches!(w, Word::Move(..) | Word::CloseShift))
        {
            // A card was there, though nobody heard of it.
            self.talk.card = true;
            match self.talk.words.remove(at) {
                Some(Word::Move(amount, of)) => {
                    let slip = self.write(Some(run), amount, of);
                    self.talk.words.insert(at, Word::Say(print(slip)));
                }
                _ => {
                    self.shift += 1;
                    self.closed.push(run);
                }
            }
        }
        // A word that was not answered is said again to whoever listens; or nobody is told anything.
        if !goes_on || dice.percent(50) {
            self.talk = Talk::default();
        } else {
            self.talk.held = false;
            self.talk.unheard = true;
        }
        Some(Event::PinpadFinished { run, end: RunEnd::Lost { why: "the cable".into() } })
    }

    /// Whoever listens hears what is left of that run.
    pub(crate) fn recover(&mut self, run: RunId, card_presented: bool) -> Option<Event> {
        if !self.up || self.talk.run != Some(run) {
            let end = RunEnd::Lost { why: "the PinPad said nothing more of it".into() };
            return Some(Event::PinpadFinished { run, end });
        }
        self.talk.sequence = 0;
        self.talk.unheard = false;
        if !card_presented {
            self.cancel(run);
        }
        None
    }

    /// A question that moves nothing.
    pub(crate) fn ask(&mut self, run: RunId, question: Question, dice: &mut Dice, faults: bool) -> Option<Event> {
        if !self.up || self.is_busy() {
            return Some(Event::PinpadFinished {
                run,
                end: RunEnd::NotSent { why: "the line is down or busy".into() },
            });
        }
        let mut slips: Vec<Slip> = match question {
            Question::LastTransaction if self.mute_about_last => Vec::new(),
            Question::LastTransaction => self.book.last().map(Operation::slip).into_iter().collect(),
            Question::DetailedReport => {
                let listed = self.book.iter().filter(|o| o.shift == self.shift).map(Operation::slip);
                listed.chain([self.totals()]).collect()
            }
            Question::ShortReport => vec![self.totals()],
        };
        let cut = faults && dice.percent(20);
        if cut {
            slips.truncate(slips.len() / 2);
        }
        let unknown = question == Question::LastTransaction && (self.mute_about_last || self.book.is_empty());
        let class = if cut {
            ResultClass::Cancelled
        } else if unknown {
            if self.mute_about_last { ResultClass::Misconfigured } else { ResultClass::NotFound }
        } else {
            ResultClass::Approved
        };
        let mut words = VecDeque::new();
        if let Some(first) = slips.first() {
            let conflict = (slips.len() > 1).then(|| "several operations".to_owned());
            let whole = Box::new(Slip { conflict, ..first.clone() });
            words.push_back(Word::Say(Said::Print {
                masked: String::new(),
                printed: Private::default(),
                slip: whole,
                entries: slips,
            }));
        }
        words.extend([Word::Say(Said::Result(RunResult { code: "00".into(), class })), Word::End]);
        self.talk = Talk { run: Some(run), words, card: true, ..Talk::default() };
        None
    }

    /// The end of a report, as it is read: it names the shift, and no operation.
    fn totals(&self) -> Slip {
        Slip { shift: Some(self.shift.to_string()), terminal_id: Some("T1".into()), ..Slip::default() }
    }

    /// What the bank holds of a run.
    pub(crate) fn moved(&self, run: RunId) -> Vec<&Operation> {
        self.book.iter().filter(|o| o.run == Some(run)).collect()
    }
}

impl Operation {
    pub(crate) fn rrn(&self) -> &str {
        &self.rrn
    }

    fn slip(&self) -> Slip {
        Slip {
            amount_minor: u64::try_from(self.amount).ok(),
            rrn: Some(self.rrn.clone()),
            shift: Some(self.shift.to_string()),
            receipt_number: Some(self.number.to_string()),
            terminal_id: Some("T1".into()),
            approved: Some(true),
            cancelled: self.of.is_some(),
            operation: Some(if self.of.is_some() { "Отмена" } else { "Оплата" }.into()),
            ..Slip::default()
        }
    }
}

fn print(slip: Slip) -> Said {
    Said::Print {
        masked: "slip".into(),
        printed: Private(Some("slip".into())),
        entries: vec![slip.clone()],
        slip: Box::new(slip),
    }
}
