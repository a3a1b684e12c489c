//! The `curl` lines of docs/api.md, executed against a running terminal as they are printed: only the address and the till's token are put in.
//! A block of them that is added there is run here without another word; what a till's customer has to do in between, [`World::before`] does.
#![cfg(feature = "demo")]

#[path = "curl_lines/reference.rs"]
mod reference;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use hal::sim::pinpad::{Behaviour, Script};
use serde_json::{Value, json};
use support::{Bench, TILL_TOKEN, http, repository};
use tolov::demo::qrm::{ATOL_KEY, Ofd, Product, QrmSimSettings, Terminal};

/// As printed, and what stands there in truth.
const PRINTED_ADDRESS: &str = "127.0.0.1:8080";
const PRINTED_TOKEN: &str = "the-secret-of-till_NAME";

/// What is answered there is no JSON: a stream that does not end by itself, numbers for a monitoring system, a picture.
const NOT_JSON: [&str; 3] = ["/events", "/metrics", "/screen.png"];

/// How long a stream is listened to, and everything else at most, seconds.
const STREAM_S: u32 = 2;
const ANSWER_S: u32 = 60;

/// The end of a command's words. No answer has it.
const END: &str = "\u{1e}";

/// One command of a block, with the lines that it goes on in.
struct Printed {
    /// Its first line in the document.
    line: usize,
    text: String,
}

impl Printed {
    fn asks(&self) -> bool {
        self.text.contains("curl ")
    }
}

/// One ```sh block and the answer that is printed behind it.
struct Block {
    commands: Vec<Printed>,
    answer: Option<Value>,
}

/// Every block of the document that has `curl` in it.
fn blocks(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = document.lines().enumerate().map(|(at, line)| (at + 1, line));
    // An answer belongs to the block that it follows with nothing between them.
    let mut just_before = false;
    while let Some((_, line)) = lines.next() {
        match line.trim() {
            "```sh" => {
                let commands = commands(&inside(&mut lines));
                just_before = commands.iter().any(Printed::asks);
                if just_before {
                    blocks.push(Block { commands, answer: None });
                }
            }
            "```json" => {
                let text: String = inside(&mut lines).into_iter().map(|(_, line)| line).collect();
                if let Some(block) = blocks.last_mut().filter(|_| just_before) {
                    block.answer = Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")));
                }
                just_before = false;
            }
            "" => {}
            _ => just_before = false,
        }
    }
    blocks
}

/// The numbered lines of a block up to its end.
fn inside<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) -> Vec<(usize, &'a str)> {
    lines.take_while(|(_, line)| line.trim() != "```").collect()
}

/// A command ends with its line, unless a quote is open there or the line ends in `\`.
fn commands(lines: &[(usize, &str)]) -> Vec<Printed> {
    let mut commands: Vec<Printed> = Vec::new();
    let mut open = false;
    for (at, line) in lines {
        match commands.last_mut().filter(|_| open) {
            Some(command) => command.text.push_str(&format!("\n{line}")),
            None => commands.push(Printed { line: *at, text: (*line).to_owned() }),
        }
        let text = commands.last().map_or("", |command| &command.text);
        open = text.ends_with('\\') || (!text.starts_with('#') && text.matches('\'').count() % 2 == 1);
    }
    commands.retain(|command| !command.text.trim().is_empty() && !command.text.starts_with('#'));
    commands
}

/// A shell that goes on from command to command, as the reader's does.
struct Shell {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    fn open(bench: &Bench) -> Self {
        let dir = bench.dir.path();
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-s"]).current_dir(dir).env("CURL_HOME", dir).env("HOME", dir);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = piped.spawn().expect("bash");
        let (input, output) = (process.stdin.take().expect("its input"), process.stdout.take().expect("its output"));
        Self { process, input, output: BufReader::new(output) }
    }

    /// What the command prints.
    fn run(&mut self, text: &str) -> String {
        writeln!(self.input, "{text}\nprintf '{END}\\n'").expect("the shell is there");
        let mut said = String::new();
        while !said.ends_with(&format!("{END}\n")) {
            assert!(self.output.read_line(&mut said).expect("UTF-8") > 0, "the shell has ended: {said}");
        }
        said.trim_end().trim_end_matches(END).to_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct World {
    bench: Bench,
    shell: Shell,
    /// The sale that `$ID` names, and the link of its code if it has one.
    sale: Option<(String, Option<String>)>,
}

impl World {
    fn begin() -> Self {
        let products = vec![Product::new("f1fccfff-06a9-44c2-8c07-7622f20b0e43", "Choy", 45_000)];
        let terminals = vec![Terminal { ofd: Some(Ofd::Atol), products, ..Terminal::new(ATOL_KEY) }];
        let mut bench = Bench::with_qrm(QrmSimSettings { terminals, ..QrmSimSettings::default() });
        bench.start();
        bench.wait_for_pinpad();
        bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
        let shell = Shell::open(&bench);
        Self { bench, shell, sale: None }
    }

    fn run(&mut self, block: &Block) -> usize {
        let mut expected = block.answer.as_ref();
        let mut asked = 0;
        for command in &block.commands {
            let address = self.bench.address.to_string();
            let text = command.text.replace(PRINTED_ADDRESS, &address).replace(PRINTED_TOKEN, TILL_TOKEN);
            self.before(command);
            let limit_s = if command.text.contains("/events") { STREAM_S } else { ANSWER_S };
            // The reader sees the body alone; the status behind it is for the test.
            let settings = format!("write-out = \"\\n%{{http_code}}\"\nmax-time = {limit_s}\n");
            fs::write(self.bench.dir.path().join(".curlrc"), settings).expect("curl's settings");
            let said = self.shell.run(&text);
            if command.asks() {
                self.heard(command, &said, expected.take());
                asked += 1;
            }
        }
        asked
    }

    /// What the document says in words: the customer has paid before there is a receipt or anything to give back, and the till has its document.
    fn before(&mut self, command: &Printed) {
        let Some((id, link)) = self.sale.clone() else { return };
        let is_about_it = command.text.contains("$ID");
        let of_a_paid_sale = command.text.contains("/receipt") || command.text.contains("/refund");
        if !is_about_it || !of_a_paid_sale {
            return;
        }
        let path = format!("/api/v1/sbp/sale/{id}");
        let stands = || http::get_with(self.bench.address, &path, &[("x_auth_token", TILL_TOKEN)]).expect("it").json();
        if let Some(link) = link.filter(|_| stands()["payment_status"] != "paid") {
            self.bench.vendors.qrm().pay(&link).expect("the phone pays");
            self.bench.until("the payment is heard", || stands()["payment_status"] == "paid");
        }
        let receipt = receipt(stands()["amount"].as_i64().unwrap_or_default() / 100);
        fs::write(self.bench.dir.path().join("receipt.json"), receipt.to_string()).expect("the document");
    }

    fn heard(&mut self, command: &Printed, said: &str, expected: Option<&Value>) {
        let told =
            || format!("docs/api.md:{}: {}\nis answered\n{said}\n{}", command.line, command.text, self.bench.log());
        let (body, status) = said.rsplit_once('\n').unwrap_or_else(|| panic!("{}", told()));
        if NOT_JSON.iter().any(|path| command.text.contains(path)) {
            assert!(status == "200", "{}", told());
            return;
        }
        let answer: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {}", told()));
        // What was called off says why it will not be paid.
        let called_off = command.text.contains("/cancel") && answer["payment_status"] == "cancelled";
        let refused = answer["is_success"] == false || !answer["error"].is_null() || !answer["code"].is_null();
        let well = called_off || !refused;
        assert!(status == "200" && well, "{}", told());
        if let Some(expected) = expected {
            assert_eq!(shape(&answer), shape(expected), "printed, and not answered so: {}", told());
        }
        let data = if answer["data"].is_object() { &answer["data"] } else { &answer };
        // Keep the name as a reader would, who types it in.
        if let Some(id) = data["transaction_id"].as_str()
            && command.text.contains("--json")
            && (data["qr_link"].is_string() || command.text.contains("/create\""))
        {
            self.sale = Some((id.to_owned(), data["qr_link"].as_str().map(str::to_owned)));
            self.shell.run(&format!("ID={id}"));
        }
    }
}

/// The names of all fields, with those that stand in them.
fn shape(value: &Value) -> BTreeSet<String> {
    let Value::Object(fields) = value else { return BTreeSet::new() };
    let deeper = |(name, value): (&String, &Value)| {
        let inside = shape(value).into_iter().map(|deeper| format!("{name}.{deeper}")).collect::<Vec<_>>();
        [vec![name.clone()], inside].concat()
    };
    fields.iter().flat_map(deeper).collect()
}

/// A document of ATOL about this many roubles.
fn receipt(total: i64) -> Value {
    json!({
        "timestamp": "10.11.2022 20:10:00",
        "receipt": {
            "client": {"email": "payer@mail.ru"},
            "company": {"sno": "osn", "email": "shop@mail.ru", "inn": "5544332219", "payment_address": "Москва"},
            "items": [{"name": "тест", "price": total, "quantity": 1, "sum": total, "payment_object": "commodity"}],
            "payments": [{"type": 1, "sum": total}],
            "vats": [{"type": "none", "sum": 0}],
            "total": total
        }
    })
}

#[test]
fn every_curl_line_of_the_documentation_does_what_it_says() {
    let document = fs::read_to_string(repository("docs/api.md")).expect("the document");
    let blocks = blocks(&document);
    let mut world = World::begin();
    let asked: usize = blocks.iter().map(|block| world.run(block)).sum();
    let printed = document.lines().filter(|line| line.starts_with("curl ")).count();
    assert_eq!(asked, printed, "a line with curl that stands in no ```sh block is not run");
    assert!(asked > 10, "{asked} lines");
    world.bench.audit();
}

#[test]
fn blocks_are_found_with_their_lines_and_the_answer_behind_them() {
    let document = "```sh\nls\n```\n\n```json\n{}\n```\n```sh\nA=1\n# it's a word\ncurl -s \\\n  x --json '{\"a\":\n 1}'\n\ncurl y\n```\n\n```json\n{\"b\":\n {\"c\": 1}}\n```\n";
    let blocks = blocks(document);
    assert_eq!(blocks.len(), 1);
    let texts: Vec<_> = blocks[0].commands.iter().map(|command| (command.line, command.text.as_str())).collect();
    assert_eq!(texts, [(9, "A=1"), (11, "curl -s \\\n  x --json '{\"a\":\n 1}'"), (15, "curl y")]);
    let answer = blocks[0].answer.as_ref().expect("an answer");
    assert_eq!(shape(answer), ["b".to_owned(), "b.c".to_owned()].into());
}
