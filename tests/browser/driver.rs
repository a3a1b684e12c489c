//! A browser for tests: chromedriver as a process, spoken to in WebDriver's JSON over HTTP.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a machine without it has to do.
const INSTALL: &str =
    "the page's tests need Chromium and its driver; install them: sudo apt-get install -y chromium chromium-driver";
/// How long a test waits for something that has to happen on the page.
const PATIENCE: Duration = Duration::from_secs(60);
/// The page is made for this size.
const SIZE: (u32, u32) = (1280, 800);
/// The name of an element's id in WebDriver's answers (W3C WebDriver §12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one page.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Start a browser and open `url`.
    pub(crate) fn open(url: &str) -> Self {
        Self::sized(SIZE, false, url)
    }

    /// The same in a window of another size; a phone scales what does not say that it fits.
    pub(crate) fn sized(size: (u32, u32), is_phone: bool, url: &str) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver does not start ({error}): {INSTALL}"));
        let mut said = BufReader::new(driver.stdout.take().expect("its output")).lines();
        let port = said.find_map(|line| {
            let line = line.ok()?;
            line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok()
        });
        let port = port.unwrap_or_else(|| panic!("chromedriver ended without a port: {INSTALL}"));
        // Its output has to be read on, or it would wait for room.
        std::thread::spawn(move || said.for_each(drop));
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        browser.begin(size, is_phone);
        browser.command("POST", "/url", &json!({"url": url}));
        browser
    }

    fn begin(&mut self, (width, height): (u32, u32), is_phone: bool) {
        let profile = format!("--user-data-dir={}", self._profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile,
        ];
        let kept = json!({"browser": "ALL", "performance": "ALL"});
        let options = json!({"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": kept});
        let wishes = json!({"capabilities": {"alwaysMatch": options}});
        let begun =
            self.send("POST", "/session", &wishes).unwrap_or_else(|why| panic!("no browser ({why}): {INSTALL}"));
        begun["sessionId"].as_str().expect("a session").clone_into(&mut self.session);
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.command(
            "POST",
            "/goog/cdp/execute",
            &json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}),
        );
    }

    /// Press what stands at this selector, as a hand would: it has to be visible and not covered.
    pub(crate) fn press(&self, selector: &str) {
        let found = self.command("POST", "/element", &json!({"using": "css selector", "value": selector}));
        let element = found[ELEMENT].as_str().unwrap_or_else(|| panic!("no element at {selector}: {found}"));
        self.command("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// What a JavaScript expression is worth.
    pub(crate) fn ask(&self, expression: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({"script": format!("return {expression};"), "args": []}))
    }

    /// The visible text at a selector; empty where there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let told = self.ask(&format!("document.querySelector({})?.innerText ?? ''", json!(selector)));
        told.as_str().unwrap_or_default().to_owned()
    }

    /// Wait until the text at a selector holds these words.
    pub(crate) fn until(&self, selector: &str, words: &str) {
        let since = Instant::now();
        while !self.text(selector).contains(words) {
            assert!(
                since.elapsed() < PATIENCE,
                "waited in vain for {words:?} at {selector}; there is {:?}\non the page:\n{}",
                self.text(selector),
                self.text("body"),
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Wait until a JavaScript expression is true.
    pub(crate) fn until_worth(&self, expression: &str) {
        let since = Instant::now();
        while self.ask(expression) != json!(true) {
            assert!(since.elapsed() < PATIENCE, "waited in vain for {expression:.200}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What was said on the page's console since the last look: errors, warnings, and what the page itself wrote.
    pub(crate) fn console(&self) -> Vec<String> {
        self.log("browser").iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Every address that pages have asked since the last look; what the browser's own empty tab asks the browser for is none.
    pub(crate) fn asked(&self) -> Vec<String> {
        let told = self.log("performance");
        let events = told.iter().filter_map(|line| serde_json::from_str::<Value>(line["message"].as_str()?).ok());
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let sent = sent.map(|event| event["message"]["params"].clone());
        let own = sent.filter(|what| !what["documentURL"].as_str().is_some_and(|page| page.starts_with("chrome:")));
        own.filter_map(|what| Some(what["request"]["url"].as_str()?.to_owned())).collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.command("POST", "/se/log", &json!({"type": kind})).as_array().cloned().unwrap_or_default()
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.send(method, &path, body).unwrap_or_else(|why| panic!("{path} {body}: {why}"))
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", self.port);
        let _ = write!(head, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = exchange(self.port, &(head + &body)).map_err(|error| error.to_string())?;
        let told: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        match told["value"].get("error") {
            Some(error) => Err(format!("{error}: {}", told["value"]["message"])),
            None => Ok(told["value"].clone()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.send("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// One request on a connection of its own; the driver keeps it open, so that the answer's length counts.
fn exchange(port: u16, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}
