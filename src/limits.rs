//! Every limit of the house: what waits, queues or grows has one, with a name, its unit last, and its reason.
//!
//! `docs/limits.md` states the same table for the people who run a terminal; the test below holds the two equal. A new
//! limit is one line here and one row there. A published limit is changed only with a word in `docs/CHANGELOG.md`.

use std::time::Duration;

/// Declares the limits once: as constants, and as the list that the documentation is held against.
macro_rules! limits {
    ($($(#[doc = $reason:literal])+ $name:ident: $kind:ty = $value:expr;)+) => {
        $($(#[doc = $reason])+ pub const $name: $kind = $value;)+

        /// Name, value and reason of every limit, in the order of this file.
        pub const ALL: &[Limit] = &[
            $(Limit { name: stringify!($name), value: $name as u64, reason: concat!($($reason),+) },)+
        ];
    };
}

/// A limit, for documentation and for `tolov check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The constant's name; its last word is the unit.
    pub name: &'static str,
    /// In the unit that the name says.
    pub value: u64,
    /// Why there is a limit, and why this one.
    pub reason: &'static str,
}

/// A duration out of a limit in milliseconds: the only way from a limit to a wait.
pub const fn wait(limit_ms: u64) -> Duration {
    Duration::from_millis(limit_ms)
}

limits! {
    /// Events waiting for the driver; past it a till hears 503, so that memory stays bounded when the disk is slow.
    EVENT_QUEUE_LEN: usize = 1_024;
    /// Places of the queue that tills may not take: an answer of a provider or the PinPad always finds room.
    EVENT_QUEUE_RESERVE: usize = 256;
    /// Events in one commit: more would keep the first of them waiting for the last.
    EVENT_BATCH_MAX: usize = 256;
    /// Answers kept in memory for the same question asked again; older ones are read from the store.
    ANSWERS_KEPT: usize = 1_024;

    /// The driver looks up from an empty queue at least so often, so that its watchdog sees progress.
    DRIVER_IDLE_MS: u64 = 1_000;
    /// Commits whose lines wait to be written to the log; past it they are left out and counted, because a log that hangs must not hold up a sale.
    LOG_QUEUE_LEN: usize = 1_024;
    /// Lines that wait for a log that is slow; past it they are left out and counted, because a log that hangs must not hold up a sale.
    LOG_LINES_MAX: usize = 2_048;
    /// Lines are written so long after the first of them, together: a thread that wakes for each line takes the processor from the sale that said it.
    LOG_GATHER_MS: u64 = 10;
    /// How long the program's end waits for the log to take the last lines.
    LOG_END_MS: u64 = 1_000;
    /// How often the program's end looks for room among the lines that wait.
    LOG_END_LOOK_MS: u64 = 10;
    /// Runs of the PinPad whose payment the log can name; there is one at a time, and a till that gives back a few sales one after the other.
    LOG_RUNS_KEPT: usize = 16;
    /// Without a step of the driver for so long the terminal says that it is not ready: its disk hangs.
    DRIVER_STALLED_MS: u64 = 5_000;
    /// How long a card sale whose answer was never written out is found again by a repeat without a key; later the same amount is a new sale.
    JOIN_UNANSWERED_MS: i64 = 900_000;

    /// A request's body: the largest of the seeds has under 2 KiB.
    BODY_MAX_BYTES: usize = 65_536;
    /// A request's head, all header lines together.
    HEADER_MAX_BYTES: usize = 16_384;
    /// A body that is too large is read on and dropped up to here, so that its sender hears why it was refused.
    BODY_DISCARD_MAX_BYTES: usize = 16_777_216;
    /// Open connections from tills, well under the usual 1,024 open files; for the next one the longest idle one goes: of 1,000 idle ones no more than these are held.
    HTTP_CONNECTIONS_MAX: usize = 512;
    /// Requests of one till at work at once; the next one hears 503 at once, so that a till that goes round in circles keeps no other one out.
    TILL_REQUESTS_MAX: usize = 64;
    /// Long polls and event streams of one till at once. They are counted apart and use up nothing of its other requests.
    TILL_WAITING_MAX: usize = 16;
    /// The same of all tills together: four for each till of a house of 64, and half of the connections.
    WAITING_MAX: usize = 256;
    /// What a till that asked too much is told to wait (`Retry-After`).
    OVERLOADED_RETRY_MS: u64 = 1_000;
    /// Before the first wrong token from an address is answered; each further one waits twice as long.
    ATTEMPT_FIRST_MS: u64 = 20;
    /// The longest that a wrong token waits for its answer. A right one never waits.
    ATTEMPT_LONGEST_MS: u64 = 1_000;
    /// Without a wrong token for so long an address begins anew.
    ATTEMPTS_FORGOTTEN_MS: u64 = 60_000;
    /// Addresses that sent wrong tokens and are remembered; for the next one the oldest goes.
    ATTEMPTS_KEPT: usize = 256;
    /// Before a connection is taken again after the system refused one (no file left).
    HTTP_ACCEPT_RETRY_MS: u64 = 100;
    /// For a request's head to arrive: a slow sender holds a connection no longer.
    HTTP_HEADER_READ_TIMEOUT_MS: u64 = 10_000;
    /// For TLS to begin, from the first byte to the end of its handshake.
    TLS_HANDSHAKE_MS: u64 = 10_000;
    /// A certificate with those that lead to a trusted one, or its key.
    TLS_FILE_MAX_BYTES: u64 = 65_536;
    /// So long before a certificate of the tills' door expires the log and `tolov check` begin to say so: three weeks to make a new one.
    TLS_EXPIRES_SOON_MS: i64 = 1_814_400_000;
    /// How long a browser keeps what a page of a listed origin may ask.
    PREFLIGHT_KEPT_MS: u64 = 600_000;
    /// For a request's body to arrive.
    HTTP_BODY_READ_TIMEOUT_MS: u64 = 10_000;
    /// For the other end of a connection to take more bytes: whoever reads nothing for so long, a stream of events or an answer, is dropped.
    HTTP_WRITE_TIMEOUT_MS: u64 = 10_000;
    /// A stream of events whose reader has left its bytes untaken for so long ends with the reason (`slow_reader`). Half of HTTP_WRITE_TIMEOUT_MS, so that he finds it when he reads on.
    HTTP_SLOW_MS: u64 = 5_000;
    /// Bytes of one connection that the system takes in while its other end has no room: with none waiting there, who reads nothing is noticed at once.
    HTTP_UNSENT_MAX_BYTES: u32 = 1;
    /// What was sent to a till and is not acknowledged for so long ends its connection: its cable was pulled. Longer than a sign of life and HTTP_WRITE_TIMEOUT_MS together, so that who is there and reads nothing is told first.
    HTTP_PEER_LOST_MS: u64 = 20_000;
    /// Silence on a till's connection after which the system asks whether it is still there, and between two such questions; unanswered for HTTP_PEER_LOST_MS they end it. So a till that has vanished holds the counter no longer than one that follows.
    HTTP_PROBE_MS: u64 = 5_000;
    /// Nesting of a JSON text: the parser's own bound, named here because a deeper text is refused.
    JSON_DEPTH: usize = 128;
    /// A till's own order number.
    ORDER_ID_MAX_CHARS: usize = 64;
    /// An `Idempotency-Key`: a UUID has 36 characters.
    TOKEN_MAX_CHARS: usize = 64;
    /// A scanned code: the longest real one, a fiscal link, has about 120 characters.
    CODE_MAX_CHARS: usize = 512;
    /// A sale of ten thousand million sums is a wrong unit, not a sale.
    AMOUNT_MAX_TIYIN: i64 = 1_000_000_000_000;
    /// The most that SBP moves at once, a million roubles (QRManager §2.1).
    SBP_AMOUNT_MAX_KOPECKS: i64 = 100_000_000;
    /// A purpose of the till's own, counted as characters (QRManager §2.1).
    SBP_PURPOSE_MAX_CHARS: usize = 140;
    /// Lines of one SBP sale's nomenclature: its document names no bound, and a receipt has at most so many positions.
    SBP_BASKET_LEN: usize = 100;
    /// Pieces of one product in an SBP sale (QRManager §2.2).
    SBP_PIECES_MAX: i64 = 1_000;
    /// The smallest picture of a code that QRManager makes (§2.1).
    SBP_PICTURE_MIN_PIXELS: i64 = 100;
    /// The largest one.
    SBP_PICTURE_MAX_PIXELS: i64 = 1_000;
    /// A cash link's name, and that of a link which the bank issued (QRManager, cash links §1).
    SBP_LINK_ID_MAX_CHARS: usize = 140;
    /// How long a till's wish for a cash link waits for QRManager before it hears `registering`.
    SBP_LINK_ANSWER_MS: u64 = 10_000;

    /// How long a created payment waits to be accepted (`/api/v1/payment/create`).
    CREATED_WAIT_MS: u64 = 900_000;
    /// Created payments that wait at once; one more ends the oldest of the till that has most, so that forgotten ones keep nobody out.
    CREATED_MAX: usize = 256;
    /// Those of one till; one more ends its own oldest, and nobody else's.
    CREATED_PER_TILL_MAX: usize = 64;
    /// Requests about one created payment that are remembered by their tokens; places for its accept and its cancel are kept.
    WISHES_MAX: usize = 32;
    /// The longest that a till may ask to wait for the end of something (`wait`).
    LONG_POLL_MAX_MS: u64 = 60_000;
    /// Between two signs of life on a stream of events; a token that was withdrawn ends its stream within it.
    EVENTS_HEARTBEAT_MS: u64 = 5_000;
    /// Before a till that has lost its stream of events comes back (`retry`).
    EVENTS_RETRY_MS: u64 = 2_000;
    /// Events in one piece of a stream: what a till that reads slowly costs.
    EVENTS_PAGE_LEN: usize = 64;
    /// The newest events, kept in memory for everybody who follows; whoever is further behind reads the store.
    EVENTS_KEPT: usize = 256;
    /// Payments in a list that does not say how many.
    PAYMENTS_LISTED_LEN: usize = 50;
    /// Payments in a list at most.
    PAYMENTS_LISTED_MAX: usize = 100;
    /// Payments that one list looks at to find those that a filter wants; then the till asks for the rest.
    PAYMENTS_LOOKED_AT_MAX: u32 = 5_000;
    /// For the customer to show a code to the scanner.
    SCAN_WAIT_MS: u64 = 120_000;
    /// Where a card or a code may pay: pause before a PinPad that gave up waiting for a card is asked for one again.
    CARD_AGAIN_MS: u64 = 1_000;
    /// So much has to be left of the customer's time for that: a card takes a moment to be found.
    CARD_LEAST_MS: u64 = 10_000;
    /// How often the PinPad is asked for a card of one payment; one that gives up at once must not fill the journal.
    CARD_RUNS_MAX: u32 = 8;
    /// One PinPad dialogue, from the request to ENDTR: the vendor's own bound.
    PINPAD_TOTAL_MS: u64 = 180_000;
    /// Before an operation: answering what the PinPad still has to say about the last one.
    PINPAD_DRAIN_MS: u64 = 2_000;
    /// After a failed operation: waiting for its ENDTR.
    PINPAD_AFTER_FAILURE_MS: u64 = 4_000;
    /// Between two rounds of questions about a card payment in doubt: often enough for a customer who waits at the counter.
    PINPAD_RECOVERY_ASK_EVERY_MS: u64 = 15_000;
    /// What the PinPad said and the driver has not taken yet; the port stops reading the line past it.
    PINPAD_SIGNALS_LEN: usize = 64;
    /// Orders to the PinPad under way: at most one run, its releases and its cancel.
    PINPAD_COMMANDS_LEN: usize = 64;
    /// Silence after which a PinPad's line counts as drained: many times a frame at 9600 baud.
    PINPAD_DRAIN_QUIET_MS: u64 = 150;
    /// For a frame that has begun to be whole: 2 KiB at 9600 baud take 2.1 s.
    PINPAD_FRAME_MS: u64 = 3_000;
    /// For a ping of the PinPad to be over.
    PINPAD_PING_MS: u64 = 10_000;
    /// Between two pings of a PinPad that is mute on an open line.
    PINPAD_PING_AGAIN_MS: u64 = 15_000;
    /// Before a lost line is opened for the first time again.
    PINPAD_REOPEN_FIRST_MS: u64 = 200;
    /// Between two attempts to open a lost line, at most; they never end.
    PINPAD_REOPEN_LONGEST_MS: u64 = 5_000;
    /// One frame's payload: a slip comes in pieces of 500, a bank's packet fits.
    PINPAD_PAYLOAD_MAX_BYTES: usize = 4_096;
    /// Frames kept while the PinPad waits for a held answer; it says nothing then, if it keeps to its protocol.
    PINPAD_FRAMES_WAITING_LEN: usize = 32;
    /// Kept while nobody is in a dialogue; more is noise.
    PINPAD_IDLE_MAX_BYTES: usize = 16_384;
    /// Evidence of one dialogue: a detailed report of a full shift fits.
    PINPAD_EVIDENCE_MAX: u32 = 4_096;
    /// Connections of one dialogue to its bank through the terminal.
    PINPAD_NET_HANDLES_MAX: usize = 4;
    /// One connect, write or read for the PinPad: below what it waits for its bank itself.
    PINPAD_NET_STEP_MS: u64 = 20_000;
    /// Moved for one dialogue between the PinPad and its bank, both ways together.
    PINPAD_NET_MAX_BYTES: usize = 1_048_576;

    /// Scans that wait for the driver; a scanner sends a few a second at most.
    SCANNER_SIGNALS_LEN: usize = 16;
    /// Silence that ends a scan of a scanner which sends no line end.
    SCAN_LINE_MS: u64 = 300;
    /// Between two attempts to open a scanner that is gone.
    SCANNER_REOPEN_EVERY_MS: u64 = 1_000;

    /// For a connection to a provider, TLS included; nothing was sent before its end. Default of `connect_timeout_ms`.
    PROVIDER_CONNECT_TIMEOUT_MS: u64 = 5_000;
    /// How long a connection that was opened ahead of its payment is held: servers give a new one more than this to begin its request.
    PROVIDER_READY_MS: u64 = 15_000;
    /// For a provider's whole answer; past it the payment is in doubt. Default of `timeout_ms`.
    PROVIDER_TIMEOUT_MS: u64 = 60_000;
    /// A provider's answer: a cut one is in doubt, not read further.
    PROVIDER_BODY_MAX_BYTES: usize = 262_144;
    /// The provider's own words, kept for people: a sentence, not a page.
    PROVIDER_TEXT_MAX_CHARS: usize = 1_000;
    /// The provider's own id of a payment: the longest seen has 36 characters.
    PROVIDER_ID_MAX_CHARS: usize = 128;
    /// What a provider says when it takes a receipt, kept for the till; a longer one is not kept.
    PROVIDER_ANSWER_MAX_BYTES: usize = 4_096;
    /// How long a till's confirm waits for the provider before it hears `queued`.
    CONFIRM_ANSWER_MS: u64 = 3_000;

    /// After an electronic receipt was registered: before its status is asked for the first time, as QRManager advises.
    RECEIPT_FIRST_STATUS_MS: u64 = 300;
    /// How long an operator of fiscal data is sure to tell a receipt's status: OFD.ru keeps it for about a day.
    RECEIPT_STATUS_KEPT_MS: u64 = 86_400_000;
    /// Before the second attempt of a confirmation.
    OUTBOX_BACKOFF_MIN_MS: u64 = 1_000;
    /// Between two attempts, at most: a provider that comes back is found within it.
    OUTBOX_BACKOFF_MAX_MS: u64 = 900_000;
    /// Confirmations under way at once.
    OUTBOX_IN_FLIGHT_MAX: usize = 8;
    /// Between two looks at the queue when nothing calls: a stepped clock holds a receipt no longer.
    OUTBOX_LOOK_EVERY_MS: u64 = 30_000;
    /// Receipts looked at when none is due, to find the next due one and those dated by a clock that was set back.
    OUTBOX_LOOK_LEN: usize = 64;
    /// Before what became of a delivery is reported again to a driver that had no room or no disk for it; twice as long each time.
    OUTBOX_REPORT_EVERY_MS: u64 = 500;
    /// Between two such reports, at most: a disk that takes lines again hears within it, and the log stays readable until then.
    OUTBOX_REPORT_MAX_MS: u64 = 60_000;
    /// Deliveries that the driver will never take in, left alone until the next start. Past it they hold their places instead.
    OUTBOX_GIVEN_UP_MAX: usize = 64;
    /// The secret of the callback's path: the shortest that nobody guesses.
    CALLBACK_SECRET_MIN_CHARS: usize = 16;
    /// A callback's body; it is told together with the whole receipt, and nothing but the operation's number is looked for in it.
    CALLBACK_BODY_MAX_BYTES: usize = 65_536;
    /// Operations that one callback can name; a receipt has one.
    CALLBACK_NAMES_LEN: usize = 8;
    /// Open connections to the callback, which stands in the open: strangers there take no files from the tills.
    CALLBACK_CONNECTIONS_MAX: usize = 32;
    /// Between two attempts to open the callback, while its secret is missing or its address is taken.
    CALLBACK_OPEN_AGAIN_MS: u64 = 5_000;
    /// Between two questions out of turn about one receipt, however often the callback is called.
    CALLBACK_ASK_EVERY_MS: u64 = 10_000;
    /// Between two looks at the queue that callbacks cause.
    CALLBACK_LOOK_EVERY_MS: u64 = 200;
    /// Failures in a row after which a provider is left alone.
    BREAKER_FAILURES: u32 = 5;
    /// How long it is left alone before one attempt tries again.
    BREAKER_OPEN_MS: u64 = 30_000;

    /// A file given free on the day the disk is full, so that an answer about money still finds room.
    RESERVE_FILE_BYTES: u64 = 8_388_608;
    /// Between two attempts to commit an answer that the disk did not take.
    COMMIT_RETRY_MS: u64 = 500;
    /// For another process (a backup, an audit) to let go of the store.
    STORE_BUSY_MS: u64 = 5_000;
    /// The store's log once it was written back: a burst may make it longer, but it does not stay so.
    STORE_LOG_MAX_BYTES: u64 = 16_777_216;
    /// Pages of 4 KiB in the store's log from which on it is written back beside sales that follow each other: each time two or three of them wait longer for the disk, and there are 360 sales in so many pages.
    STORE_LOG_PAGES_KEPT: u32 = 3_600;
    /// The same where no moment comes between two sales: those who wait for the disk share their waits, and a start after a power cut in a rush has less to read.
    STORE_LOG_PAGES_IN_RUSH_KEPT: u32 = 1_200;
    /// Pages that may be left of the log after it was written back beside the sales: so few are written back between two commits, and the log begins anew.
    STORE_LOG_PAGES_LEFT_MAX: u32 = 300;
    /// How long the connection that writes the log back beside the sales is kept for the next time.
    STORE_WRITE_BACK_KEPT_MS: u64 = 2_000;
    /// Steps of payments after which the store's writer looks, between two sales, how long its log is.
    STORE_LOG_ENTRIES_UNSEEN_MAX: usize = 16;
    /// The same where no moment comes between two sales.
    STORE_LOG_ENTRIES_IN_RUSH_MAX: usize = 64;
    /// Pages in the store's log after which a commit writes them back itself: a rush without a pause fills no disk, and a start after a power cut reads no longer log.
    STORE_LOG_PAGES_MAX: u32 = 4_000;
    /// Spaces behind the body of a new payment's row: room for what its end adds, so that the end moves no other row to another page.
    STORE_ROW_ROOM_BYTES: usize = 448;
    /// Commits that may stand in the store's log while nothing happens; with more, a moment of rest is used to write them back.
    STORE_LOG_COMMITS_KEPT: u32 = 32;
    /// Pages of the store that its writer keeps in memory: the inner pages of a store of years and the leaves written last; the rest is in the
    /// system's cache.
    STORE_CACHE_BYTES: u64 = 1_048_576;
    /// Pages of the store that each reader keeps in memory.
    STORE_READER_CACHE_BYTES: u64 = 524_288;
    /// A store up to this size is checked whole before it is used; a larger one after the daemon is ready.
    STORE_CHECK_AT_START_MAX_BYTES: u64 = 4_194_304;
    /// So long after the start that check begins: the start itself, and a till that has waited for it, have the disk first.
    STORE_CHECK_AFTER_MS: u64 = 3_000;
    /// Rows that a question about the past brings when it does not say how many.
    HISTORY_ROWS_MAX: u32 = 1_000;

    /// Between two pictures: a change is on the display within it, and a burst of them is drawn once.
    DISPLAY_REFRESH_MS: u64 = 25;
    /// Between two looks at the time: what ends by time alone leaves the display within it, and the sign of life moves.
    DISPLAY_TICK_MS: u64 = 500;
    /// How long an ended sale stays on the display.
    DISPLAY_RESULT_MS: u64 = 5_000;
    /// How long a payment in doubt, or one paid late, keeps the whole display: long enough to tell the customer; then it is in the list of what is to be checked.
    DISPLAY_IN_DOUBT_MS: u64 = 60_000;
    /// How long the word about a scan that cannot pay stays on the display.
    DISPLAY_NOTICE_MS: u64 = 4_000;
    /// Payments in doubt that the display lists: what fits below each other and is read at a glance.
    DISPLAY_DOUBTS_LEN: usize = 3;

    /// The name of a QR terminal, which is part of a file's name.
    QRM_NAME_MAX_CHARS: usize = 32;
    /// For a whole answer of QRManager, which itself waits five seconds for the bank. Default of `timeout_ms`.
    QRM_TIMEOUT_MS: u64 = 15_000;
    /// Questions about statuses over REST, a minute, while no socket can be had. Default of `polls_per_minute`.
    QRM_POLLS_A_MINUTE_MAX: u32 = 60;
    /// SBP codes that are watched at once, those that were called off included. A till may have as many of them as are left free for the others: half, where it is alone.
    SBP_CODES_MAX: usize = 512;
    /// How long a QR terminal's list of products is used before QRManager is asked for it again: prices change within a day, not within a sale.
    PRODUCTS_REFRESH_EVERY_MS: u64 = 300_000;
    /// Before QRManager is asked again for a list of products that it did not give while an earlier one is known: a till does not wait for each.
    PRODUCTS_ASK_AGAIN_MS: u64 = 30_000;
    /// A kept list of products: twice what an answer may hold.
    PRODUCTS_FILE_MAX_BYTES: u64 = 524_288;
    /// Between two pings on a socket of QRManager: a connection that a router has forgotten is found out.
    SBP_PING_EVERY_MS: u64 = 10_000;
    /// Without a frame, not even the answer to a ping, a socket is dead.
    SBP_SOCKET_SILENCE_MS: u64 = 25_000;
    /// Before a broken socket is opened for the first time again.
    SBP_RECONNECT_FIRST_MS: u64 = 300;
    /// Between two attempts to open a socket, at most; they do not end while a code is watched.
    SBP_RECONNECT_LONGEST_MS: u64 = 30_000;
    /// After a server that does not upgrade to a WebSocket, before the next attempt; codes are asked about by REST meanwhile.
    SBP_SOCKET_REFUSED_MS: u64 = 300_000;
    /// Between two equal commands about one code on a socket: a server that answers at once is not hammered.
    SBP_COMMAND_EVERY_MS: u64 = 1_000;
    /// For a frame to be taken by the system, and for the farewell of a socket.
    SBP_SEND_MS: u64 = 5_000;
    /// A message on a socket: the longest of the document has under 300 bytes.
    SBP_FRAME_MAX_BYTES: usize = 65_536;
    /// What a socket said about one code and its watch has not taken yet; the socket is read no further past it.
    SBP_WORDS_LEN: usize = 16;
    /// Codes that wait to be put on, or taken off, a socket.
    SBP_ORDERS_LEN: usize = 64;
    /// Between two questions by REST about one code while the socket is away, the budget allowing.
    SBP_ASK_FIRST_MS: u64 = 2_000;
    /// The same after failures, at most.
    SBP_ASK_LONGEST_MS: u64 = 30_000;
    /// Between two questions by REST about one code whose socket is open and says nothing about it.
    SBP_CHECK_EVERY_MS: u64 = 20_000;
    /// Without a word by either way the display stops showing the code as payable.
    SBP_SILENT_MS: u64 = 30_000;
    /// How long a code is watched after a failed attempt (6) that no other status follows; then it counts as ended. A cash link lives 20 minutes at most.
    SBP_AFTER_FAILED_MS: u64 = 1_800_000;
    /// How long a code is watched in all before its sale is in doubt; it is still asked about after it, rarely.
    SBP_WATCH_MS: u64 = 86_400_000;
    /// Between two questions about a code whose watch has reached its limit.
    SBP_SLOW_ASK_MS: u64 = 600_000;
    /// Before the first question how a refund went.
    SBP_REFUND_ASK_FIRST_MS: u64 = 300;
    /// Between two questions how a refund went, at most; they end with its end.
    SBP_REFUND_ASK_LONGEST_MS: u64 = 60_000;
    /// Before a cash link is asked to be deactivated again.
    SBP_LINK_RETRY_FIRST_MS: u64 = 1_000;
    /// Between two such requests, at most; they end with the confirmation, because no sale can use the link before it.
    SBP_LINK_RETRY_LONGEST_MS: u64 = 30_000;

    /// A secret: the longest key seen has 64 characters.
    CREDENTIAL_MAX_BYTES: u64 = 4_096;
    /// Secrets in one directory.
    CREDENTIALS_MAX: usize = 256;
    /// A configuration or board file.
    CONFIG_FILE_MAX_BYTES: u64 = 262_144;
    /// The path of a Unix socket: the system's own bound, its closing zero not counted.
    SOCKET_PATH_MAX_BYTES: usize = 107;
    /// Connections of technicians at once.
    CONTROL_CONNECTIONS_MAX: usize = 8;
    /// One request of a technician: the longest brings a receipt of 64 KiB, every character of it escaped.
    CONTROL_REQUEST_MAX_BYTES: usize = 139_264;
    /// What a technician's command reads of one answer: a full list with everything about each payment fits.
    CONTROL_ANSWER_MAX_BYTES: u64 = 16_777_216;
    /// An operator's name or reason, as the journal keeps it.
    SIGNED_MAX_CHARS: usize = 200;
    /// For a technician's connection to send its next request, and to take an answer.
    CONTROL_IDLE_MS: u64 = 10_000;
    /// Payments in one answer to a technician.
    CONTROL_ROWS_MAX: u32 = 1_000;
    /// For the shift to be closed while a technician waits: the PinPad's own bound and the end after a failure.
    CONTROL_CLOSE_SHIFT_MS: u64 = 200_000;
    /// Payments of one shift that are added up: more than any counter sells.
    SHIFT_PAYMENTS_MAX: usize = 100_000;

    /// Between two looks at whether the shift is to be closed.
    SETTLE_CHECK_EVERY_MS: u64 = 30_000;
    /// How long after its time a scheduled settlement may still begin; past it the next day's is waited for.
    SETTLE_LATE_MS: i64 = 14_400_000;
    /// Between two attempts of a scheduled settlement that the PinPad refused.
    SETTLE_RETRY_MS: i64 = 600_000;
    /// Attempts of one day's scheduled settlement; then a person has to close the shift.
    SETTLE_ATTEMPTS_MAX: u32 = 4;

    /// For everything to end after a request to stop; what has not ended is in doubt and asked about at the next start.
    SHUTDOWN_MS: u64 = 10_000;
}

#[cfg(test)]
mod tests {
    use super::ALL;

    /// How a name ends, and the unit that this means. A name that ends in none of them hides its unit.
    const UNITS: &[(&str, &str)] = &[
        ("_MS", "ms"),
        ("_BYTES", "bytes"),
        ("_CHARS", "characters"),
        ("_TIYIN", "tiyin"),
        ("_KOPECKS", "kopecks"),
        ("_PIXELS", "pixels"),
        ("_LEN", "count"),
        ("_MAX", "count"),
        ("_RESERVE", "count"),
        ("_KEPT", "count"),
        ("_DEPTH", "count"),
        ("_FAILURES", "count"),
    ];

    fn unit(name: &str) -> &'static str {
        let found = UNITS.iter().find(|(ending, _)| name.ends_with(ending));
        found.unwrap_or_else(|| panic!("{name} does not end in a unit: {UNITS:?}")).1
    }

    fn rows() -> Vec<String> {
        let row = |limit: &super::Limit| {
            format!("| `{}` | {} | {} | {} |", limit.name, limit.value, unit(limit.name), limit.reason.trim())
        };
        ALL.iter().map(row).collect()
    }

    #[test]
    fn the_document_states_every_limit_and_no_other() {
        let document = include_str!("../docs/limits.md");
        let stated: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
        let held = rows();
        let missing: Vec<&String> = held.iter().filter(|row| !stated.contains(&row.as_str())).collect();
        let foreign: Vec<&&str> = stated.iter().filter(|row| !held.iter().any(|own| own == *row)).collect();
        assert!(missing.is_empty() && foreign.is_empty(), "docs/limits.md lacks {missing:#?} and has {foreign:#?}");
        assert_eq!(stated.len(), held.len(), "a row of docs/limits.md stands twice");
    }

    #[test]
    fn who_reads_nothing_is_told_before_he_is_cut_and_cut_before_the_system_gives_him_up() {
        let in_order = [
            super::HTTP_SLOW_MS,
            super::HTTP_WRITE_TIMEOUT_MS,
            super::HTTP_WRITE_TIMEOUT_MS + super::EVENTS_HEARTBEAT_MS,
            super::HTTP_PEER_LOST_MS,
        ];
        assert!(in_order.is_sorted_by(|one, next| one < next), "{in_order:?}");
    }

    #[test]
    fn no_name_stands_twice() {
        for (index, limit) in ALL.iter().enumerate() {
            assert!(!ALL[..index].iter().any(|other| other.name == limit.name), "{}", limit.name);
        }
    }
}
