//! The PinPad's cable: frames out, answers in, and what happens when it is pulled.

use std::sync::Arc;
use std::time::Duration;

use encoding_rs::WINDOWS_1251;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::wire::Framing;
use super::{Delivery, Said, Script, Shared};
use crate::sim::pty::Pty;

/// Messages kept in the transcript.
const TRANSCRIPT: usize = 1000;

/// Why a dialogue breaks off.
#[derive(Debug)]
pub(super) enum Broken {
    /// The till did not answer in time.
    NoAnswer,
    /// Instead of an answer the till sent a request: it has forgotten this dialogue.
    NewRequest(Vec<u8>),
    /// The books cannot be written.
    Books,
}

pub(super) struct Line {
    shared: Arc<Shared>,
    pty: Option<Pty>,
    plugged: watch::Receiver<bool>,
    framing: Framing,
}

impl Line {
    pub(super) fn new(shared: Arc<Shared>, pty: Pty, plugged: watch::Receiver<bool>) -> Self {
        let framing = Framing::new(shared.settings.transport);
        Self { shared, pty: Some(pty), plugged, framing }
    }

    /// The next payload from the till, however long it takes. Plugs and unplugs the pty on the way.
    pub(super) async fn hear(&mut self) -> Vec<u8> {
        let mut buffer = [0; 1024];
        loop {
            if let Some(payload) = self.framing.unwrap() {
                self.note(Said::Till, &payload);
                return payload;
            }
            self.follow_cable().await;
            let Some(pty) = &mut self.pty else { continue };
            tokio::select! {
                read = pty.read(&mut buffer) => match read {
                    Ok(count) => {
                        let wanted = self.shared.settings.baud;
                        let garbled = wanted.is_some() && pty.baud() != wanted;
                        if garbled {
                            self.framing.forget();
                        } else {
                            self.framing.arrived(&buffer[..count]);
                        }
                    }
                    Err(_) => self.pty = None,
                },
                _ = self.plugged.changed() => {}
            }
        }
    }

    /// Bring the pty into line with the cable; waits while the cable is out.
    async fn follow_cable(&mut self) {
        loop {
            let plugged = *self.plugged.borrow_and_update();
            if plugged && self.pty.is_some() {
                return;
            }
            if plugged {
                self.framing = Framing::new(self.shared.settings.transport);
                match Pty::plug_in(&self.shared.settings.path) {
                    Ok(pty) => self.pty = Some(pty),
                    Err(error) => {
                        tracing::error!(%error, "the simulated PinPad has no pty");
                        sleep(Duration::from_secs(1)).await;
                    }
                }
            } else {
                self.pty = None;
                // The sender lives as long as this task: an error here is the end of the world, and of the wait.
                let _ = self.plugged.changed().await;
            }
        }
    }

    /// Pull the cable from the inside.
    pub(super) fn pull(&mut self) {
        self.shared.cable.send_replace(false);
        self.pty = None;
        self.framing.forget();
    }

    /// Say something and wait for the till's answer to it.
    pub(super) async fn ask(&mut self, script: &Script, message: &[u8]) -> Result<Vec<u8>, Broken> {
        self.say(script, &[message]).await;
        self.answer().await
    }

    /// The same for text; the answer is as good as `OK`.
    pub(super) async fn tell(&mut self, script: &Script, message: &str) -> Result<(), Broken> {
        let (bytes, _, _) = WINDOWS_1251.encode(message);
        self.ask(script, &bytes).await.map(|_| ())
    }

    /// Say several messages in one piece, then wait for as many answers.
    pub(super) async fn tell_joined(&mut self, script: &Script, messages: &[String]) -> Result<(), Broken> {
        let bytes: Vec<&[u8]> = messages.iter().map(String::as_bytes).collect();
        self.say(script, &bytes).await;
        for _ in messages {
            self.answer().await?;
        }
        Ok(())
    }

    /// Begin to say something, and stop in the middle of the frame.
    pub(super) async fn say_half(&mut self, message: &[u8]) {
        self.note(Said::PinPad, b"(half a frame)");
        let frame = self.framing.wrap(message);
        self.put(&frame[..frame.len() / 2]).await;
    }

    async fn say(&mut self, script: &Script, messages: &[&[u8]]) {
        if !script.delay.is_zero() {
            sleep(script.delay).await;
        }
        let mut bytes = Vec::new();
        for message in messages {
            self.note(Said::PinPad, message);
            bytes.extend(self.framing.wrap(message));
        }
        if script.delivery == Delivery::Split {
            for piece in bytes.chunks(7) {
                self.put(piece).await;
                sleep(Duration::from_millis(1)).await;
            }
        } else {
            self.put(&bytes).await;
        }
    }

    async fn put(&mut self, bytes: &[u8]) {
        if !*self.plugged.borrow() {
            self.pty = None;
        }
        if let Some(pty) = &self.pty {
            // A till that does not read is a till that does not answer: the wait for its answer notices.
            let _ = timeout(self.shared.settings.answer_timeout, pty.write(bytes)).await;
        }
    }

    async fn answer(&mut self) -> Result<Vec<u8>, Broken> {
        let limit = self.shared.settings.answer_timeout;
        let payload = timeout(limit, self.hear()).await.map_err(|_| Broken::NoAnswer)?;
        if is_request(&payload) { Err(Broken::NewRequest(payload)) } else { Ok(payload) }
    }

    fn note(&self, who: Said, payload: &[u8]) {
        let mut state = self.shared.state();
        if state.transcript.len() == TRANSCRIPT {
            state.transcript.pop_front();
        }
        state.transcript.push_back((who, WINDOWS_1251.decode_without_bom_handling(payload).0.into_owned()));
    }
}

/// `class␛op…`: two numbers of one or two digits. Answers that begin with a digit (`0␛50000`) are never asked for here.
fn is_request(payload: &[u8]) -> bool {
    let mut fields = payload.split(|b| *b == 0x1B);
    let number =
        |field: Option<&[u8]>| field.is_some_and(|f| matches!(f.len(), 1 | 2) && f.iter().all(u8::is_ascii_digit));
    number(fields.next()) && number(fields.next())
}
