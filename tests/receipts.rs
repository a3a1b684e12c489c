//! The way of an electronic receipt, whole: till's document → driver → store → outbox → QRManager, through what its document says may come in
//! between and a sudden end of the daemon, held against the receipts that a QRManager of this test's own has registered.
#![allow(clippy::unwrap_used)]

#[path = "receipts/callback.rs"]
mod callback;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use tolov::clock::Clock;
use tolov::driver::{Driver, Handle};
use tolov::history::History as _;
use tolov::outbox::{AskNow, Outbox};
use tolov::payment::card::RunId;
use tolov::payment::event::{Confirm, Effect, Event, SaleRef, Sell};
use tolov::payment::fiscal::{Confirmation, Fiscal, Receipt};
use tolov::payment::receipt::document;
use tolov::payment::sale::{Merchant, Method, Payment, State};
use tolov::payment::sbp::{CodeOutcome, Ofd, QrCode, QrStatus, SbpAsk, SbpHeard};
use tolov::payment::terminal::Policy;
use tolov::payment::{Currency, Money, PaymentId};
use tolov::provider::Providers;
use tolov::provider::qrm::{Profiles, QrmSettings, Receipts, Sockets};
use tolov::store::audit::audit;
use tolov::store::{Archive, Store, StoreOptions};

const NUMBER: &str = "7786-0666-4734-9487";

/// How QRManager takes the next POST.
#[derive(Clone, Copy, Debug)]
enum Post {
    /// Registers it and says so.
    Takes,
    /// Registers it, and the answer is lost.
    TakesAndHangsUp,
    /// `{"detail": …}` with this status; nothing is registered.
    Says(u16, &'static str),
}

/// QRManager, as far as receipts go: one operation, its receipt, and a script for what it says.
#[derive(Clone, Default)]
struct Qrm(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    posts: VecDeque<Post>,
    /// Answers to the status, in their order; the last one is repeated.
    statuses: VecDeque<(u16, String)>,
    registered: Vec<String>,
    asked: usize,
    posted: usize,
}

fn status(word: &str, url: &str, error: &str) -> (u16, String) {
    (200, serde_json::json!({"status": word, "ofd_receipt_url": url, "error": error}).to_string())
}

fn wait() -> (u16, String) {
    status("wait", "", "")
}

fn done() -> (u16, String) {
    status("done", "https://consumer.1-ofd-test.ru/ticket?t=20211124T2050", "")
}

impl Qrm {
    async fn open(posts: &[Post], statuses: &[(u16, String)]) -> (Self, String) {
        let qrm = Self::default();
        qrm.will(posts, statuses);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = qrm.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        (qrm, url)
    }

    fn will(&self, posts: &[Post], statuses: &[(u16, String)]) {
        let mut books = self.0.lock().unwrap();
        books.posts = posts.to_vec().into();
        books.statuses = statuses.to_vec().into();
    }

    fn registered(&self) -> Vec<String> {
        self.0.lock().unwrap().registered.clone()
    }

    fn counted(&self) -> (usize, usize) {
        let books = self.0.lock().unwrap();
        (books.posted, books.asked)
    }

    async fn answer(self, mut stream: TcpStream) {
        let Some((head, body)) = read(&mut stream).await else { return };
        assert!(head.to_ascii_lowercase().contains("x-api-key: test.key"), "{head}");
        let reply = if head.starts_with(&format!("POST /operations/{NUMBER}/receipt/ ")) {
            self.posted(body)
        } else {
            assert!(head.starts_with(&format!("GET /operations/{NUMBER}/receipt/status/ ")), "{head}");
            let mut books = self.0.lock().unwrap();
            books.asked += 1;
            if books.statuses.len() > 1 { books.statuses.pop_front() } else { books.statuses.front().cloned() }
        };
        let Some((code, body)) = reply else { return };
        let head = format!("HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nConnection: close");
        let _ = stream.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    }

    fn posted(&self, body: String) -> Option<(u16, String)> {
        let mut books = self.0.lock().unwrap();
        books.posted += 1;
        let detail = |text: &str| serde_json::json!({ "detail": text }).to_string();
        match books.posts.pop_front() {
            Some(Post::Says(code, text)) => return Some((code, detail(text))),
            Some(Post::Takes) => books.registered.push(body),
            Some(Post::TakesAndHangsUp) => {
                books.registered.push(body);
                return None;
            }
            None => {
                let text = "Ошибка формирования электронного чека. Операция уже имеет зарегистрированный чек";
                return Some((400, detail(text)));
            }
        }
        Some((200, "{\"results\":{\"status\":\"success\"}}".to_owned()))
    }
}

async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if bytes.len() - end - 4 >= length.unwrap_or(0) {
            return Some((head, String::from_utf8_lossy(&bytes[end + 4..]).into_owned()));
        }
    }
}

/// One life of the daemon, without its doors.
struct Life {
    driver: Handle,
    archive: Arc<Archive>,
    ask_now: AskNow,
    tasks: Vec<JoinHandle<()>>,
    _stop: watch::Sender<bool>,
}

impl Life {
    fn begin(dir: &Path, url: &str) -> Self {
        Self::with(dir, url, policy())
    }

    fn with(dir: &Path, url: &str, policy: Policy) -> Self {
        Self::at(dir, url, policy, Clock::system())
    }

    fn at(dir: &Path, url: &str, policy: Policy, clock: Clock) -> Self {
        let store = Store::open(dir, &StoreOptions::at(clock.wall_ms())).unwrap();
        let archive = Arc::new(store.archive().unwrap());
        let (driver, handle) = Driver::new(store, policy, clock.clone()).unwrap();
        let settings = QrmSettings {
            base_url: url.to_owned(),
            receipts: Some(Ofd::Atol),
            sockets: Sockets::PerOperation,
            web_links: false,
            strict_nomenclature: false,
            timeout_ms: 5_000,
            connect_timeout_ms: 5_000,
            polls_per_minute: 60,
        };
        let profiles = Profiles::default().with("main", settings, Arc::new(|| Some("test.key".into())));
        let receipts = Receipts::new(profiles.clients(None), clock.clone());
        let providers = Arc::new(Providers::new().with(Method::Sbp, Arc::new(receipts)));
        let wake = Arc::new(Notify::new());
        let (stop, stopped) = watch::channel(false);
        let deliver = wake.clone();
        let release = move |effect| {
            if let Effect::Deliver = effect {
                deliver.notify_one();
            }
        };
        let ask_now = AskNow::default();
        let outbox = Outbox::new(providers, archive.clone(), handle.clone(), clock, wake).listening_to(ask_now.clone());
        let tasks = vec![tokio::spawn(driver.run(release, stopped)), tokio::spawn(outbox.run())];
        Self { driver: handle, archive, ask_now, tasks, _stop: stop }
    }

    /// Without a word, in the middle of whatever it does.
    async fn end(self) {
        for task in self.tasks {
            task.abort();
            assert!(task.await.is_err_and(|e| e.is_cancelled()), "it ended by itself before");
        }
    }

    /// A sale of 500 roubles that was paid at the code NUMBER.
    async fn paid(&self) -> Payment {
        let id = PaymentId(Uuid::new_v4());
        let ask = SbpAsk { profile: "main".to_owned(), ..SbpAsk::default() };
        let sell = Sell {
            id,
            run: RunId(Uuid::new_v4()),
            method: Method::Sbp,
            amount: Money::from_minor(50_000, Currency::Rub),
            code: None,
            token: None,
            order_id: None,
            sbp: Some(Box::new(ask)),
            display: false,
        };
        self.driver.ask(Event::Sell(sell)).await.unwrap();
        let code = QrCode {
            operation_id: id.to_string(),
            number: NUMBER.to_owned(),
            link: "https://qr.nspk.ru/79214088447817071504273889364435".to_owned(),
            params_id: None,
        };
        let made = SbpHeard::Code { payment: id, outcome: CodeOutcome::Made(code) };
        self.driver.ask(Event::Sbp(made)).await.unwrap();
        let paid = SbpHeard::Status { payment: id, status: QrStatus::Paid, last: false };
        self.driver.ask(Event::Sbp(paid)).await.unwrap();
        let payment = self.stands(id);
        assert_eq!((&payment.state, payment.fiscal), (&State::Paid, Fiscal::Owed));
        payment
    }

    async fn bring(&self, payment: &Payment, name: &str) {
        let of = SaleRef::Payment(payment.id);
        let confirm = Confirm { method: Method::Sbp, of, receipt: receipt(payment, name) };
        self.driver.ask(Event::Confirm(confirm)).await.unwrap();
    }

    fn stands(&self, id: PaymentId) -> Payment {
        self.archive.payment(id).unwrap().unwrap()
    }

    fn last(&self, payment: &Payment) -> Confirmation {
        self.stands(payment.id).confirmation().unwrap().clone()
    }

    /// Since when QRManager has its receipt.
    async fn until_registered(&self, payment: &Payment) -> i64 {
        for _ in 0..1_000 {
            if let Some(since_ms) = self.last(payment).registered_ms {
                return since_ms;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("its receipt was never registered: {:?}", self.last(payment));
    }

    async fn until(&self, payment: &Payment, fiscal: Fiscal) -> Confirmation {
        for _ in 0..3_000 {
            if self.stands(payment.id).fiscal == fiscal {
                return self.last(payment);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {}: {:?}", fiscal.name(), self.last(payment));
    }
}

fn policy() -> Policy {
    Policy {
        methods: vec![Method::Sbp],
        merchant: Some(Merchant::default()),
        backoff_min_ms: 50,
        backoff_max_ms: 200,
        sbp: [("main".to_owned(), Some(Ofd::Atol))].into(),
        sbp_open_max: 8,
        ..Policy::default()
    }
}

/// The till's document, without the operation's number.
fn receipt(payment: &Payment, name: &str) -> Receipt {
    let text = serde_json::json!({
        "timestamp": "10.11.2022 20:10:00",
        "receipt": {
            "client": {"email": "payer@example.ru"},
            "company": {"sno": "osn", "email": "user@mail.ru", "inn": "5544332219", "payment_address": "г Москва"},
            "items": [{"name": name, "price": 500, "quantity": 1, "sum": 500, "payment_object": "commodity"}],
            "payments": [{"type": 1, "sum": 500}],
            "vats": [{"type": "vat22", "sum": 90.16}],
            "total": 500
        }
    });
    Receipt::Electronic(document::check(payment, &text.to_string()).unwrap().receipt)
}

/// Nothing of the payer is left in the file.
fn forgets(dir: &Path) {
    assert!(audit(dir).unwrap().holds());
    for file in ["tolov.db", "tolov.db-wal"] {
        let conn = rusqlite::Connection::open(dir.join("tolov.db")).unwrap();
        let left: i64 =
            conn.query_row("SELECT count(*) FROM outbox WHERE body IS NOT NULL", [], |row| row.get(0)).unwrap();
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        drop(conn);
        assert_eq!(left, 0);
        let bytes = std::fs::read(dir.join(file)).unwrap_or_default();
        assert!(!bytes.windows(16).any(|piece| piece == b"payer@example.ru"), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_registered_once_waited_for_and_confirmed_with_its_link() {
    let dir = tempfile::tempdir().unwrap();
    let (qrm, url) = Qrm::open(&[Post::Takes], &[wait(), wait(), done()]).await;
    let life = Life::begin(dir.path(), &url);
    let sale = life.paid().await;
    life.bring(&sale, "тест").await;
    let confirmed = life.until(&sale, Fiscal::Confirmed).await;
    assert!(confirmed.answer.unwrap().contains("https://consumer.1-ofd-test.ru/ticket?t=20211124T2050"));
    assert_eq!(qrm.counted(), (1, 3));
    assert!(qrm.registered()[0].starts_with(&format!("{{\"external_id\":\"{NUMBER}\",")));
    life.end().await;
    forgets(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_is_parked_with_the_operators_words_corrected_and_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let words = "[-3975] Некорректное значение payer@example.ru";
    let (qrm, url) = Qrm::open(&[Post::Takes], &[status("fail", "", words)]).await;
    let life = Life::begin(dir.path(), &url);
    let sale = life.paid().await;
    life.bring(&sale, "тест").await;
    let parked = life.until(&sale, Fiscal::Parked).await;
    assert_eq!(parked.last_error.as_deref(), Some("[-3975] Некорректное значение •••"), "and not the payer's address");
    qrm.will(&[Post::Takes], &[wait(), done()]);
    let corrected = Some(receipt(&sale, "исправлено"));
    let retry =
        Event::RetryConfirmation { payment: sale.id, receipt: corrected, upstream_id: None, name: "Aziza".to_owned() };
    life.driver.ask(retry).await.unwrap();
    assert_eq!(life.until(&sale, Fiscal::Confirmed).await.number, 2);
    assert!(qrm.registered()[1].contains("исправлено"));
    life.end().await;
    forgets(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_after_registration_makes_no_second_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let (qrm, url) = Qrm::open(&[Post::TakesAndHangsUp], &[wait(), done()]).await;
    let life = Life::begin(dir.path(), &url);
    let sale = life.paid().await;
    life.bring(&sale, "тест").await;
    life.until(&sale, Fiscal::Confirmed).await;
    assert_eq!(qrm.registered().len(), 1);
    assert_eq!(qrm.counted(), (2, 2), "posted again, told that it has one, and only asked from there on");
    life.end().await;
    forgets(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn already_registered_is_no_yes_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (qrm, url) = Qrm::open(&[], &[status("fail", "", "[-1] нет")]).await;
    let life = Life::begin(dir.path(), &url);
    let sale = life.paid().await;
    life.bring(&sale, "тест").await;
    assert_eq!(life.until(&sale, Fiscal::Parked).await.last_error.as_deref(), Some("[-1] нет"));
    assert_eq!(qrm.registered(), Vec::<String>::new());
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_by_itself_is_tried_again_and_what_needs_a_person_is_parked() {
    let dir = tempfile::tempdir().unwrap();
    let passing = [
        Post::Says(404, "Operation number: 7786-0666-4734-9487 не обнаружена"),
        Post::Says(400, "Ошибка формирования электронного чека. Ошибка доступа к сервису ОФД."),
        Post::Says(400, "Ошибка формирования электронного чека. Истекло время ожидания сервиса ОФД."),
        Post::Says(400, "Ошибка формирования электронного чека. Ошибка соединения с ОФД."),
        Post::Takes,
    ];
    let (qrm, url) = Qrm::open(&passing, &[done()]).await;
    let life = Life::begin(dir.path(), &url);
    let sale = life.paid().await;
    life.bring(&sale, "тест").await;
    life.until(&sale, Fiscal::Confirmed).await;
    assert_eq!((qrm.registered().len(), qrm.counted().0), (1, 5));

    for words in [
        "Ошибка формирования электронного чека. Неверно настроен ОФД.",
        "Ошибка формирования электронного чека. Итоговая сумма фискализации не совпадает с суммой заказа.",
        "Ошибка формирования электронного чека, полученная с сервиса ОФД: ИНН",
    ] {
        qrm.will(&[Post::Says(400, words)], &[done()]);
        let sale = life.paid().await;
        life.bring(&sale, words).await;
        let parked = life.until(&sale, Fiscal::Parked).await;
        assert!(parked.last_error.unwrap().contains(words), "{words}");
    }
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_asks_on_and_a_lost_document_is_parked_and_brought_again() {
    let dir = tempfile::tempdir().unwrap();
    let (qrm, url) = Qrm::open(&[Post::Takes], &[wait()]).await;
    let life = Life::begin(dir.path(), &url);
    let sale = life.paid().await;
    life.bring(&sale, "тест").await;
    life.until_registered(&sale).await;
    life.end().await;
    qrm.will(&[], &[done()]);
    let life = Life::begin(dir.path(), &url);
    life.until(&sale, Fiscal::Confirmed).await;
    assert_eq!((qrm.registered().len(), qrm.counted().0), (1, 1));

    // Another one, which a damaged store gave back without its text.
    qrm.will(&[Post::Says(400, "Ошибка соединения с ОФД"); 50], &[done()]);
    let lost = life.paid().await;
    life.bring(&lost, "второй").await;
    life.end().await;
    let conn = rusqlite::Connection::open(dir.path().join("tolov.db")).unwrap();
    conn.execute("UPDATE outbox SET body = NULL WHERE state = 'queued'", []).unwrap();
    drop(conn);
    qrm.will(&[Post::Takes], &[done()]);
    let life = Life::begin(dir.path(), &url);
    let parked = life.until(&lost, Fiscal::Parked).await;
    assert!(parked.last_error.unwrap().contains("bring it again"));
    life.bring(&lost, "второй").await;
    life.until(&lost, Fiscal::Confirmed).await;
    assert_eq!(qrm.registered().len(), 2);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_is_gone_after_a_day_is_for_a_person_and_the_receipt_is_never_sent_again_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (qrm, url) = Qrm::open(&[Post::Takes], &[wait()]).await;
    let life = Life::begin(dir.path(), &url);
    let sale = life.paid().await;
    life.bring(&sale, "тест").await;
    let registered_ms = life.until_registered(&sale).await;
    life.end().await;
    let gone = (404, format!("{{\"detail\":\"Operation number: {NUMBER} не обнаружена\"}}"));
    for (hours, fiscal) in [(23, Fiscal::Queued), (25, Fiscal::Parked)] {
        qrm.will(&[], std::slice::from_ref(&gone));
        let asked = qrm.counted().1;
        let life = Life::at(dir.path(), &url, policy(), Clock::set_at(registered_ms + hours * 3_600_000));
        for _ in 0..1_000 {
            if qrm.counted().1 > asked && life.stands(sale.id).fiscal == fiscal {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(qrm.counted().1 > asked, "it was asked about");
        assert_eq!(life.stands(sale.id).fiscal, fiscal, "after {hours} h");
        if fiscal == Fiscal::Parked {
            let why = life.last(&sale).last_error.unwrap();
            assert!(why.contains("more than a day ago") && why.contains("cabinet"), "{why}");
        }
        life.end().await;
    }
    assert_eq!(qrm.registered().len(), 1);
}
