use proptest::prelude::*;

use super::*;
use crate::pinpad::arcus2::frame::Transport;

/// A dialogue under test: a clock moved by hand, and payloads instead of frames.
struct Desk {
    dialogue: Dialogue,
    pinpad: Codec,
    till: Codec,
    at: Duration,
}

const SALE: Operation = Operation::Sale { amount_minor: 50_000 };

impl Desk {
    fn with(settings: Settings, operation: Operation) -> Self {
        let codec = || Codec::new(Transport::BinLen, 4096);
        let now = Now { at: Duration::ZERO, local: None };
        let dialogue = Dialogue::start(Arc::new(settings), Limits::default(), codec(), operation, false, now);
        let dialogue = dialogue.map_err(|(_, why)| why).expect("writable");
        Self { dialogue, pinpad: codec(), till: codec(), at: Duration::ZERO }
    }

    fn sale() -> Self {
        let mut desk = Self::with(Settings::default(), SALE);
        desk.wait(Limits::default().drain_quiet);
        assert_eq!(desk.answers(), ["1\u{1b}1\u{1b}860\u{1b}50000\u{1b}\u{1b}"]);
        desk.dialogue.request_touched();
        desk
    }

    fn recovery(card_presented: bool) -> Self {
        let codec = || Codec::new(Transport::BinLen, 4096);
        let now = Now { at: Duration::ZERO, local: None };
        let settings = Arc::new(Settings::default());
        let dialogue = Dialogue::recover(settings, Limits::default(), codec(), card_presented, false, now);
        Self { dialogue, pinpad: codec(), till: codec(), at: Duration::ZERO }
    }

    fn now(&self) -> Now {
        let local = LocalTime { year: 2022, month: 11, day: 9, hour: 7, minute: 1 };
        Now { at: self.at, local: Some(local) }
    }

    fn wait(&mut self, time: Duration) {
        self.at += time;
        self.dialogue.handle_timeout(self.now());
    }

    fn hear(&mut self, payload: &[u8]) {
        let bytes = self.pinpad.encode(payload).expect("fits");
        self.dialogue.handle_bytes(self.now(), &bytes);
    }

    fn answers(&mut self) -> Vec<String> {
        while let Some(transmit) = self.dialogue.poll_transmit() {
            self.till.feed(&transmit.bytes);
        }
        let mut all = Vec::new();
        while let Some(payload) = self.till.next_payload().expect("valid") {
            all.push(payload.iter().map(|b| char::from(*b)).collect());
        }
        all
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.dialogue.poll_event()).collect()
    }

    /// Hear a message, release what it raises, and say what was answered.
    fn ask(&mut self, payload: &[u8]) -> Vec<String> {
        self.hear(payload);
        for sequence in 0..self.dialogue.sequence {
            self.dialogue.release(self.now(), sequence);
        }
        self.answers()
    }

    fn end(&mut self) -> Option<End> {
        self.events().into_iter().find_map(|e| if let Event::Finished(end) = e { Some(end) } else { None })
    }
}

fn evidence(sequence: u32, item: Evidence) -> Event {
    Event::Evidence { sequence, item }
}

#[test]
fn evidence_is_not_answered_before_all_of_it_is_released() {
    let mut desk = Desk::sale();
    desk.hear(b"STORERC:000");
    assert_eq!(desk.events(), [evidence(0, Evidence::CardPresented), evidence(1, Evidence::Result("000".into()))]);
    assert_eq!(desk.answers(), [""; 0]);
    desk.dialogue.release(desk.now(), 1);
    assert_eq!(desk.answers(), [""; 0]);
    desk.dialogue.release(desk.now(), 0);
    assert_eq!(desk.answers(), ["OK"]);
    desk.dialogue.release(desk.now(), 0);
    assert_eq!(desk.answers(), [""; 0], "a second release answers nothing");
}

#[test]
fn frames_that_arrive_joined_wait_behind_held_evidence() {
    let mut desk = Desk::sale();
    let mut bytes = desk.pinpad.encode(b"PRINT:a").expect("fits");
    bytes.extend(desk.pinpad.encode(b"STORERC:00").expect("fits"));
    bytes.extend(desk.pinpad.encode(b"ENDTR").expect("fits"));
    desk.dialogue.handle_bytes(desk.now(), &bytes);
    assert_eq!(desk.events(), [evidence(0, Evidence::CardPresented), evidence(1, Evidence::Print("a".into()))]);
    desk.dialogue.release(desk.now(), 0);
    desk.dialogue.release(desk.now(), 1);
    assert_eq!(desk.events(), [evidence(2, Evidence::Result("00".into()))]);
    assert_eq!(desk.answers(), ["OK"]);
    desk.dialogue.release(desk.now(), 2);
    assert_eq!(desk.answers(), ["OK", "OK"]);
    assert_eq!(desk.events(), [Event::Finished(End::Ended)]);
}

#[test]
fn endtr_without_storerc_ends_without_a_result() {
    let mut desk = Desk::sale();
    assert_eq!(desk.ask(b"ENDTR:"), ["OK"]);
    assert_eq!(desk.events(), [Event::Finished(End::Ended)]);
}

#[test]
fn a_storerc_without_a_code_is_no_result() {
    let mut desk = Desk::sale();
    assert_eq!(desk.ask(b"STORERC:"), ["OK"]);
    assert_eq!(desk.events(), [evidence(0, Evidence::CardPresented)]);
}

#[test]
fn ping_is_refused_only_when_a_cancel_was_asked_for_and_no_card_was_presented() {
    let mut desk = Desk::sale();
    assert_eq!(desk.ask(b"PING:"), ["OK"]);
    desk.dialogue.cancel(desk.now());
    assert_eq!(desk.ask(b"PING:"), ["ER"]);
    assert_eq!(desk.ask("STATUS:".as_bytes()), ["OK"]);
    assert_eq!(desk.ask(&[b"STATUS:".as_slice(), &[0xC2, 0xD1, 0xD2, 0xC0, 0xC2, 0xDC, 0xD2, 0xC5]].concat()), ["OK"]);
    assert_eq!(desk.ask(b"PING:"), ["ER"], "a waiting text is no card");
    assert_eq!(desk.ask(b"STATUS:ONLINE"), ["OK"]);
    assert_eq!(desk.ask(b"PING:"), ["OK"], "another text may be one");
}

#[test]
fn a_status_text_is_decoded_from_cp1251() {
    let mut desk = Desk::sale();
    desk.hear(&[b"STATUS:".as_slice(), &[0xC2, 0xD1, 0xD2, 0xC0, 0xC2, 0xDC, 0xD2, 0xC5]].concat());
    assert_eq!(desk.events(), [Event::Status("ВСТАВЬТЕ".into())]);
}

#[test]
fn a_card_is_announced_once_and_by_everything_that_can_only_follow_it() {
    for message in
        ["DEVICEOPEN:", "CONNECT:1:h:1", "PRINT:a", "SETTAGS:RC=00", "STORERC:00", "SPRESULT:0", "STATUS:PIN"]
    {
        let mut desk = Desk::sale();
        let _ = desk.ask(message.as_bytes());
        let _ = desk.ask(message.as_bytes());
        let cards =
            desk.events().iter().filter(|e| matches!(e, Event::Evidence { item: Evidence::CardPresented, .. })).count();
        assert_eq!(cards, 1, "{message}");
    }
    for message in ["BEGINTR:", "PING:", "TRACE:x", "GETTAGS:", "TIMESYNC:", "STATUS:"] {
        let mut desk = Desk::sale();
        assert_eq!(desk.ask(message.as_bytes()).len(), 1, "{message}");
        assert_eq!(desk.events(), [], "{message}");
    }
}

#[test]
fn a_pinpad_that_gave_up_by_itself_tells_of_no_card_unless_something_else_does() {
    let result = || Evidence::Result("998".into());
    let heard = |messages: &[&str]| {
        let mut desk = Desk::sale();
        messages.iter().for_each(|message| assert_eq!(desk.ask(message.as_bytes()), ["OK"], "{message}"));
        desk.events()
    };
    let events = heard(&["BEGINTR:", "PING:", "STORERC:998", "SETTAGS:", "ENDTR"]);
    assert_eq!(events, [evidence(0, result()), Event::Finished(End::Ended)]);
    let tags = |tags: &[(&str, &str)]| {
        Evidence::Tags(tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    };
    let own = "SETTAGS:RC=998\u{1b}RRN=\u{1b}TERM=01000002";
    let told = tags(&[("RC", "998"), ("RRN", ""), ("TERM", "01000002")]);
    assert_eq!(heard(&["STORERC:998", own]), [evidence(0, result()), evidence(1, told)]);

    let card = Evidence::CardPresented;
    let with_rrn = tags(&[("RRN", "231511584547")]);
    let banks = "SETTAGS:RRN=231511584547";
    assert_eq!(
        heard(&["STORERC:998", banks]),
        [evidence(0, result()), evidence(1, card.clone()), evidence(2, with_rrn)],
        "a bank has given it a number"
    );
    let slip = Evidence::Print("a".into());
    assert_eq!(
        heard(&["STORERC:998", "PRINT:a"]),
        [evidence(0, result()), evidence(1, card.clone()), evidence(2, slip)]
    );
    let status = Event::Status("PIN".into());
    assert_eq!(heard(&["STATUS:PIN", "STORERC:998"]), [evidence(0, card.clone()), status, evidence(1, result())]);
    for code in ["201", "212", "401", "999", "51"] {
        let other = evidence(1, Evidence::Result(code.to_owned()));
        assert_eq!(
            heard(&[&format!("STORERC:{code}")]),
            [evidence(0, card.clone()), other],
            "{code} does not rule one out"
        );
    }
}

#[test]
fn cancelling_before_the_request_is_written_sends_nothing() {
    let mut desk = Desk::with(Settings::default(), SALE);
    desk.dialogue.cancel(desk.now());
    assert!(matches!(desk.end(), Some(End::NotSent { .. })));
    assert_eq!(desk.answers(), [""; 0]);
}

#[test]
fn a_line_lost_before_the_first_byte_is_not_sent_and_after_it_lost() {
    let mut desk = Desk::with(Settings::default(), SALE);
    desk.wait(Limits::default().drain_quiet);
    desk.dialogue.line_lost("gone");
    assert_eq!(desk.end(), Some(End::NotSent { why: "gone".into() }));
    let mut desk = Desk::sale();
    desk.dialogue.line_lost("gone");
    assert_eq!(desk.end(), Some(End::Lost { why: "gone".into() }));
}

#[test]
fn what_is_left_of_an_earlier_dialogue_is_answered_before_the_request_and_is_no_evidence() {
    let mut desk = Desk::with(Settings::default(), SALE);
    assert_eq!(desk.ask(b"STORERC:00"), ["OK"]);
    desk.wait(Duration::from_millis(100));
    assert_eq!(desk.ask(b"ENDTR"), ["OK"]);
    assert_eq!(desk.events(), []);
    desk.wait(Limits::default().drain_quiet);
    assert_eq!(desk.answers().len(), 1, "the request");
}

#[test]
fn a_pinpad_that_goes_on_talking_gets_no_request() {
    let mut desk = Desk::with(Settings::default(), SALE);
    for _ in 0..20 {
        desk.hear(b"PING:");
        desk.wait(Duration::from_millis(100));
    }
    assert!(matches!(desk.end(), Some(End::NotSent { .. })));
    assert!(desk.answers().iter().all(|a| a == "OK"));
}

#[test]
fn after_180_s_the_pinpad_is_listened_to_for_4_s_more() {
    let mut desk = Desk::sale();
    desk.wait(Duration::from_secs(179));
    assert!(!desk.dialogue.is_over());
    desk.wait(Duration::from_secs(1));
    assert_eq!(desk.ask(b"PING:"), ["ER"], "nobody waits any more, and no card is in the game");
    desk.wait(Duration::from_secs(4));
    assert!(matches!(desk.end(), Some(End::Lost { .. })));
    let mut desk = Desk::sale();
    desk.wait(Duration::from_secs(180));
    assert_eq!(desk.ask(b"STORERC:00"), ["OK"]);
    assert_eq!(desk.ask(b"ENDTR"), ["OK"]);
    assert_eq!(desk.end(), Some(End::Ended), "the late result counts");
}

#[test]
fn a_broken_frame_is_lost_even_when_endtr_follows() {
    let mut desk = Desk::sale();
    desk.dialogue.handle_bytes(desk.now(), &[0x02, 0x00, 0x00]);
    assert!(!desk.dialogue.is_over());
    assert_eq!(desk.ask(b"ENDTR"), ["OK"]);
    assert!(matches!(desk.end(), Some(End::Lost { .. })));
}

#[test]
fn a_frame_that_stays_incomplete_is_lost() {
    let mut desk = Desk::sale();
    desk.dialogue.handle_bytes(desk.now(), &[0x01, 0x00, 0x05, 0x4F]);
    desk.wait(Limits::default().frame);
    desk.wait(Duration::from_secs(4));
    assert_eq!(desk.end(), Some(End::Lost { why: "a frame that never became whole".into() }));
}

#[test]
fn a_dialect_that_is_not_public_is_refused_by_name() {
    for prefix in ["CHUNK", "ENC"] {
        let mut desk = Desk::sale();
        assert_eq!(desk.ask(format!("{prefix}:xyz").as_bytes()), ["ER"]);
        desk.wait(Duration::from_secs(4));
        let Some(End::Lost { why }) = desk.end() else { panic!("lost") };
        assert!(why.contains(prefix), "{why}");
    }
}

#[test]
fn a_recovery_reports_what_is_still_said_and_then_pings() {
    let mut desk = Desk::recovery(true);
    assert_eq!(desk.ask(b"PING:"), ["OK"], "a card was presented");
    assert_eq!(desk.ask(b"STORERC:00"), ["OK"]);
    assert_eq!(desk.ask(b"ENDTR"), ["OK", "9\u{1b}6"]);
    assert_eq!(desk.events(), [evidence(0, Evidence::Result("00".into()))]);
    assert_eq!(desk.ask(b"STORERC:55"), ["OK"], "the ping's own result is nobody's evidence");
    assert_eq!(desk.ask(b"ENDTR"), ["OK"]);
    assert_eq!(desk.events(), [Event::Alive(true), Event::Finished(End::Ended)]);
}

#[test]
fn a_recovery_of_a_silent_pinpad_is_lost() {
    let mut desk = Desk::recovery(false);
    desk.wait(Duration::from_secs(4));
    assert_eq!(desk.answers(), ["9\u{1b}6"]);
    desk.wait(Limits::default().ping);
    assert!(matches!(desk.events()[..], [Event::Alive(false), Event::Finished(End::Lost { .. })]));
    assert!(desk.dialogue.leaves_stale_ping());
}

#[test]
fn a_recovery_takes_back_only_what_no_card_was_presented_for() {
    assert_eq!(Desk::recovery(false).ask(b"PING:"), ["ER"]);
    let mut desk = Desk::recovery(false);
    let _ = desk.ask(b"PRINT:a");
    assert_eq!(desk.ask(b"PING:"), ["OK"]);
}

#[test]
fn the_late_answer_to_an_old_ping_is_no_evidence_of_a_sale() {
    let codec = Codec::new(Transport::BinLen, 4096);
    let mut desk = Desk::recovery(false);
    let settings = Arc::new(Settings::default());
    desk.dialogue = Dialogue::recover(settings, Limits::default(), codec, true, true, desk.now());
    assert_eq!(desk.ask(b"STORERC:00"), ["OK"]);
    assert_eq!(desk.ask(b"ENDTR"), ["OK"]);
    assert_eq!(desk.events(), [], "that was the ping");
    assert_eq!(desk.ask(b"STORERC:05"), ["OK"]);
    assert_eq!(desk.events(), [evidence(0, Evidence::Result("05".into()))], "and this is the sale");
}

#[test]
fn a_slow_disk_does_not_use_up_the_recoverys_time() {
    let mut desk = Desk::recovery(true);
    desk.hear(b"PRINT:a");
    desk.wait(Duration::from_secs(10));
    assert!(!desk.dialogue.is_over());
    desk.dialogue.release(desk.now(), 0);
    assert_eq!(desk.answers(), ["OK"]);
    assert_eq!(desk.ask(b"STORERC:00"), ["OK"]);
}

#[test]
fn the_proxy_reaches_only_allowed_hosts() {
    let mut desk = Desk::sale();
    assert_eq!(desk.ask(b"DEVICEOPEN:"), ["OK:1"]);
    assert_eq!(desk.ask(b"CONNECT:1:bank.example:5000"), ["ER"], "off by default");
    let settings = Settings { allow_hosts: ["bank.example".to_owned()].into(), ..Settings::default() };
    let mut desk = Desk::with(settings, SALE);
    desk.wait(Limits::default().drain_quiet);
    let _ = desk.answers();
    assert_eq!(desk.ask(b"DEVICEOPEN:"), ["OK:1"]);
    assert_eq!(desk.ask(b"CONNECT:1:evil.example:5000"), ["ER"]);
    let _ = desk.events();
    assert_eq!(desk.ask(b"CONNECT:1:BANK.example:5000"), [""; 0]);
    let [Event::Net(NetRequest { token, .. })] = desk.events()[..] else { panic!("a connect") };
    desk.dialogue.handle_net(desk.now(), token, NetAnswer::Done);
    assert_eq!(desk.answers(), ["OK"]);
    assert_eq!(desk.ask(b"READ:1:100"), [""; 0]);
    let [Event::Net(NetRequest { token, .. })] = desk.events()[..] else { panic!("a read") };
    desk.dialogue.handle_net(desk.now(), token, NetAnswer::Data(b"abc".to_vec()));
    assert_eq!(desk.answers(), ["1:abc"]);
    assert_eq!(desk.ask(b"WRITE:1:abc"), [""; 0]);
    desk.wait(Duration::from_secs(60));
    assert_eq!(desk.answers(), ["ER"], "a bank that hangs does not hang the dialogue");
    assert_eq!(desk.ask(b"DISCONNECT:1"), ["OK"]);
}

proptest! {
    #[test]
    fn no_bytes_make_the_dialogue_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
        let mut desk = Desk::sale();
        for chunk in chunks {
            desk.dialogue.handle_bytes(desk.now(), &chunk);
            desk.wait(Duration::from_millis(700));
            let _ = desk.answers();
        }
    }

    #[test]
    fn every_message_is_answered_exactly_once_however_the_line_is_cut(
        picks in prop::collection::vec(0usize..16, 1..12),
        cut in 1usize..9,
    ) {
        const MESSAGES: [&str; 16] = [
            "BEGINTR:", "STATUS:x", "PRINT:x", "TRACE:x", "WARNING:x", "INFO:x", "SETTAGS:RC=00", "SPRESULT:",
            "STORERC:00", "STARTPRINT:", "ENDPRINT:", "PING:", "GETTAGS:", "MENU:", "TIMESYNC:", "WHATEVER:",
        ];
        let mut desk = Desk::sale();
        let mut bytes = Vec::new();
        for pick in &picks {
            bytes.extend(desk.pinpad.encode(MESSAGES[*pick].as_bytes()).expect("fits"));
        }
        let mut answers = 0;
        for chunk in bytes.chunks(cut) {
            desk.dialogue.handle_bytes(desk.now(), chunk);
            for sequence in 0..64 {
                desk.dialogue.release(desk.now(), sequence);
            }
            answers += desk.answers().len();
        }
        prop_assert_eq!(answers, picks.len());
    }
}
