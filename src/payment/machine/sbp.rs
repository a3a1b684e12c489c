//! SBP: codes that the terminal shows, their end as QRManager tells it, refunds through it, and cash links.

mod room;

use super::{Rejection, Step};
use crate::payment::event::{Denial, Effect, GiveBack, RegisterLink, Sell, Subject};
use crate::payment::fact::Fact;
use crate::payment::sale::{
    Approval, CancelledBy, Decline, DeclineKind, Doubt, Method, Payment, PaymentId, RefundId, RefundKind, RefundState,
    State, Token,
};
use crate::payment::sbp::{
    CashLink, CodeOutcome, LinkOutcome, LinkState, QrCode, QrStatus, RefundOutcome, Sbp, SbpAsk, SbpHeard, SbpOrder,
};

impl Step {
    /// Ask for a code. What stands in the way of every sale was looked at before.
    pub(super) fn sell_by_shown_code(&mut self, sell: &Sell) -> Result<(), Rejection> {
        let ask = sell.sbp.as_deref().cloned().unwrap_or_default();
        let sbp = self.t.shown_code(ask)?;
        let link_id = self.room_for_code(sell.token.as_ref().map_or("", Token::till), &sbp.ask)?;
        self.record(Fact::Opened {
            payment: sell.id,
            method: Method::Sbp,
            amount: sell.amount,
            code: None,
            attended: sell.display,
            token: sell.token.clone(),
            order_id: sell.order_id.clone(),
            merchant: self.t.policy.merchant.clone().unwrap_or_default(),
            state: State::AwaitingPayer,
            run: None,
            warned_of: self.t.doubted_of(sell.amount),
            sbp: Some(Box::new(Sbp { link_id, ..sbp })),
        })?;
        self.ask_for_code(sell.id)?;
        self.done.about = Some(Subject::Payment(sell.id));
        Ok(())
    }

    /// One more code of that till can be watched; at a cash link, the name of the link, which has to be idle.
    pub(super) fn room_for_code(&self, till: &str, ask: &SbpAsk) -> Result<Option<String>, Denial> {
        if !self.t.has_room_for_code(till) {
            return Err(Denial::CodesOpen { count: self.t.open_codes().filter(|p| p.till() == till).count() });
        }
        if ask.cash_link { self.idle_link(&ask.profile).map(Some) } else { Ok(None) }
    }

    /// Ask for the code of a sale that was just written down.
    pub(super) fn ask_for_code(&mut self, id: PaymentId) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        if let Some(sbp) = payment.sbp.as_ref().filter(|sbp| sbp.link_id.is_some()) {
            self.link_became(&sbp.ask.profile, LinkState::Activating { payment: id })?;
        }
        self.order(SbpOrder::Open { payment: self.known(id)? });
        Ok(())
    }

    pub(super) fn sbp_heard(&mut self, heard: &SbpHeard) -> Result<(), Rejection> {
        match heard {
            SbpHeard::Code { payment, outcome } => self.code_answered(*payment, outcome),
            SbpHeard::Status { payment, status, last } => self.status_told(*payment, *status, *last),
            SbpHeard::Silent { payment } => {
                let watched = self.known(*payment)?.sbp.as_ref().is_some_and(|sbp| sbp.is_watched());
                if watched {
                    self.t.stale_codes.insert(*payment);
                }
                Ok(())
            }
            SbpHeard::Refund { payment, refund, outcome } => self.refund_told(*payment, *refund, outcome),
            SbpHeard::LinkRegistered { profile, outcome } => self.link_registered(profile, outcome),
            SbpHeard::LinkDeactivated { profile } => {
                if matches!(self.link(profile).map(|link| &link.state), Some(LinkState::Deactivating { .. })) {
                    self.link_became(profile, LinkState::Idle)?;
                }
                Ok(())
            }
        }
    }

    fn code_answered(&mut self, id: PaymentId, outcome: &CodeOutcome) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let asked = payment.was_accepted();
        let Some(sbp) = payment.sbp.as_ref().filter(|sbp| asked && sbp.code.is_none()) else { return Ok(()) };
        match outcome {
            CodeOutcome::Made(code) => self.code_made(&payment, sbp, code)?,
            CodeOutcome::Refused(decline) => {
                self.link_of(&payment, LinkState::Idle)?;
                self.decline(id, decline.clone())?;
            }
            CodeOutcome::NotSent { text } => {
                self.link_of(&payment, LinkState::Idle)?;
                let decline = Decline { why: DeclineKind::NotSent, code: None, message: Some(text.clone()) };
                self.decline(id, decline)?;
            }
            // The sticker may be live, with our amount on it and an operation that we cannot name.
            CodeOutcome::Lost { text } if sbp.link_id.is_some() => {
                self.doubt(id, Doubt::Answer { text: text.clone() })?;
                self.deactivate_link_of(&payment)?;
            }
            // In doubt for another reason: that the answer was lost proves nothing about it.
            CodeOutcome::Lost { .. } if !payment.state.is_in_progress() => {}
            CodeOutcome::Lost { text } => {
                let message = Some(format!("{text}; nobody has seen the code, so nobody can pay it"));
                self.decline(id, Decline { why: DeclineKind::Absent, code: None, message })?;
            }
        }
        self.effect(Effect::Settled(Subject::Code(id)));
        Ok(())
    }

    fn code_made(&mut self, payment: &Payment, sbp: &Sbp, code: &QrCode) -> Result<(), Rejection> {
        let id = payment.id;
        let mut code = code.clone();
        // An activation answers without a link: what is paid at is the sticker.
        if sbp.link_id.is_some()
            && let Some(sticker) = self.link(&sbp.ask.profile).and_then(|link| link.link.clone())
        {
            code.link = sticker;
        }
        self.record(Fact::CodeMade { payment: id, code })?;
        let waits = payment.state == State::AwaitingPayer;
        if !waits && sbp.link_id.is_none() {
            // Called off while it was being made: it was never shown.
            return Ok(self.record(Fact::WatchOver { payment: id })?);
        }
        if waits {
            self.link_of(payment, LinkState::Active { payment: id })?;
        } else {
            self.deactivate_link_of(payment)?;
        }
        self.order(SbpOrder::Watch { payment: self.known(id)? });
        Ok(())
    }

    fn status_told(&mut self, id: PaymentId, status: QrStatus, last: bool) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let Some(sbp) = payment.sbp.clone() else {
            return Err(Denial::WrongMethod { payment: id, method: payment.method }.into());
        };
        if !payment.was_accepted() {
            // There is no code that it could speak of.
            return Ok(());
        }
        if status == QrStatus::Paid {
            // Money is the last word, whatever was said before it and however late it comes.
            return self.code_paid(&payment, &sbp);
        }
        if !sbp.is_watched() {
            return Ok(());
        }
        if status != QrStatus::Unknown {
            self.t.stale_codes.remove(&id);
        }
        let waits = payment.state == State::AwaitingPayer;
        match status {
            QrStatus::Paid => {}
            QrStatus::Expired => self.code_expired(&payment)?,
            QrStatus::Cancelled => {
                if waits {
                    self.record(Fact::Cancelled { payment: id, by: CancelledBy::Provider })?;
                    self.settled(id);
                }
                self.watch_over(&payment)?;
            }
            QrStatus::Refunded => {
                self.record(Fact::StatusTold { payment: id, status })?;
                if !payment.state.is_final() {
                    let text =
                        "QRManager says that the money went back before it was known here to have come".to_owned();
                    self.doubt(id, Doubt::Answer { text })?;
                }
                self.watch_over(&payment)?;
            }
            // The provider's own last word on the attempt, and still the same at the end of the wait: nobody pays this code any more.
            QrStatus::AttemptFailed if last => self.code_expired(&payment)?,
            _ if last && waits => {
                let text = "QRManager did not say within the limit how the code ended".to_owned();
                self.doubt(id, Doubt::Answer { text })?;
            }
            // Called off long ago, and nothing was heard since.
            _ if last && payment.state.is_final() => self.watch_over(&payment)?,
            QrStatus::AttemptFailed | QrStatus::Other { .. } if sbp.told != Some(status) => {
                self.record(Fact::StatusTold { payment: id, status })?;
            }
            // The next attempt is under way.
            QrStatus::Pending if sbp.told.is_some_and(|told| told != status) => {
                self.record(Fact::StatusTold { payment: id, status })?;
            }
            QrStatus::Unknown
            | QrStatus::Created
            | QrStatus::Pending
            | QrStatus::AttemptFailed
            | QrStatus::Other { .. } => {}
        }
        Ok(())
    }

    fn code_paid(&mut self, payment: &Payment, sbp: &Sbp) -> Result<(), Rejection> {
        let Some(code) = &sbp.code else {
            let text = "QRManager calls a code paid that it never gave".to_owned();
            return self.doubt(payment.id, Doubt::Answer { text });
        };
        self.approve(payment.id, Approval { payment_id: Some(code.operation_id.clone()), ..Approval::default() })?;
        // A link that was paid is deactivated by itself; one that is being deactivated waits for the word of it.
        if self.link_is(payment, |state| matches!(state, LinkState::Active { .. })) {
            self.link_of(payment, LinkState::Idle)?;
        }
        self.end_watch(payment)
    }

    /// Nobody can pay the code any more, and nobody has.
    fn code_expired(&mut self, payment: &Payment) -> Result<(), Rejection> {
        match payment.state {
            State::AwaitingPayer => {
                self.record(Fact::Expired { payment: payment.id })?;
                self.settled(payment.id);
            }
            State::InDoubt { .. } => {
                let message = Some("QRManager says that the code ended unpaid".to_owned());
                self.decline(payment.id, Decline { why: DeclineKind::Absent, code: None, message })?;
            }
            _ => {}
        }
        self.watch_over(payment)
    }

    /// Nothing more will come of the code; its link is not left live.
    fn watch_over(&mut self, payment: &Payment) -> Result<(), Rejection> {
        self.end_watch(payment)?;
        self.deactivate_link_of(payment)
    }

    fn end_watch(&mut self, payment: &Payment) -> Result<(), Rejection> {
        self.t.stale_codes.remove(&payment.id);
        if payment.sbp.as_ref().is_some_and(|sbp| sbp.is_watched()) {
            self.record(Fact::WatchOver { payment: payment.id })?;
            self.order(SbpOrder::Unwatch { payment: payment.id });
        }
        Ok(())
    }

    /// An operator has said that it was paid, or a till has called it off.
    pub(super) fn code_given_up(&mut self, payment: &Payment, paid: bool) -> Result<(), Rejection> {
        if paid { self.watch_over(payment) } else { self.deactivate_link_of(payment) }
    }

    pub(super) fn give_back_by_request(&mut self, payment: &Payment, back: &GiveBack) -> Result<(), Rejection> {
        if payment.approval.as_ref().is_none_or(|a| a.payment_id.is_none()) {
            let why = "QRManager's name of the operation is not known here; give the money back in its application";
            return Err(Denial::RefundRefused { why: why.to_owned() }.into());
        }
        self.record(Fact::RefundOpened {
            payment: payment.id,
            refund: back.id,
            kind: RefundKind::Refund,
            amount: back.amount,
            token: back.token.clone(),
            run: None,
        })?;
        self.order(SbpOrder::Refund { payment: self.known(payment.id)?, refund: back.id });
        self.done.about = Some(Subject::Refund(payment.id, back.id));
        Ok(())
    }

    fn refund_told(&mut self, id: PaymentId, refund: RefundId, outcome: &RefundOutcome) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let Some(r) = payment.refund(refund) else { return Ok(()) };
        match outcome {
            RefundOutcome::Done => self.refund_done(&payment, r)?,
            RefundOutcome::Refused(decline) => {
                self.refund_became(id, refund, RefundState::Refused(decline.clone()))?;
            }
            RefundOutcome::NotSent { text } if r.state == RefundState::Requested => {
                let decline = Decline { why: DeclineKind::NotSent, code: None, message: Some(text.clone()) };
                self.refund_became(id, refund, RefundState::Refused(decline))?;
            }
            // Something was sent before, or there would be no doubt.
            RefundOutcome::NotSent { .. } => {}
            RefundOutcome::Accepted { request_id } if !r.state.is_final() => {
                if r.upstream_id.is_none() {
                    self.record(Fact::RefundNamed { payment: id, refund, upstream_id: request_id.clone() })?;
                }
                self.refund_became(id, refund, RefundState::Processing)?;
                self.order(SbpOrder::AskRefund { payment: self.known(id)?, refund });
            }
            RefundOutcome::InDoubt { text } if r.state.is_open() => {
                self.refund_became(id, refund, RefundState::InDoubt { why: Doubt::Answer { text: text.clone() } })?;
                self.order(SbpOrder::AskRefund { payment: self.known(id)?, refund });
            }
            RefundOutcome::Accepted { .. } | RefundOutcome::InDoubt { .. } => {}
        }
        Ok(())
    }

    /// What the last life left of an SBP sale. Its code lives on at QRManager, whether the terminal runs or not.
    pub(super) fn sbp_started(&mut self, payment: &Payment, sbp: &Sbp) -> Result<(), Rejection> {
        let id = payment.id;
        if payment.state == State::AwaitingPayer {
            match (sbp.code.is_some(), sbp.link_id.is_some()) {
                (true, false) => {
                    self.t.stale_codes.insert(id);
                }
                // The answer to the activation is lost with the last life.
                (false, true) => self.doubt(id, Doubt::Restart)?,
                (true, true) | (false, false) => {
                    self.record(Fact::Cancelled { payment: id, by: CancelledBy::Restart })?;
                    self.settled(id);
                }
            }
        }
        if sbp.is_watched() {
            self.order(SbpOrder::Watch { payment: self.known(id)? });
        }
        for r in &payment.refunds {
            if r.state.is_open() && r.upstream_id.is_none() {
                self.refund_became(id, r.id, RefundState::InDoubt { why: Doubt::Restart })?;
            }
            if !r.state.is_final() {
                self.order(SbpOrder::AskRefund { payment: self.known(id)?, refund: r.id });
            }
        }
        Ok(())
    }

    /// No cash link outlives a restart as active: the sticker would take money for a sale that nobody waits for.
    pub(super) fn links_started(&mut self) -> Result<(), Rejection> {
        let links = self.t.register.cash_links.clone();
        for (profile, link) in links {
            match (&link.state, &link.id) {
                (
                    LinkState::Activating { payment }
                    | LinkState::Active { payment }
                    | LinkState::Deactivating { payment },
                    Some(id),
                ) => {
                    let sale = self.t.payments.get(payment).cloned();
                    let order = SbpOrder::DeactivateLink { profile: profile.clone(), id: id.clone(), sale };
                    self.link_became(&profile, LinkState::Deactivating { payment: *payment })?;
                    self.order(order);
                }
                (LinkState::Registering, _) => {
                    let text = "the terminal was restarted while the link was being registered".to_owned();
                    self.link_became(&profile, LinkState::RegistrationInDoubt { text })?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Register the profile's link, once, ever; or take one that a person has looked up.
    pub(super) fn register_link(&mut self, wish: &RegisterLink) -> Result<(), Rejection> {
        let profile = &wish.profile;
        if !self.t.policy.sbp.contains_key(profile) {
            return Err(Denial::NoProfile { profile: profile.clone() }.into());
        }
        match self.link(profile).map(|link| &link.state) {
            None | Some(LinkState::Refused { .. } | LinkState::RegistrationInDoubt { .. }) if wish.known.is_some() => {
                let (id, link) = wish.known.clone().unzip();
                let link = CashLink { id, link, state: LinkState::Idle };
                Ok(self.record(Fact::CashLinkBecame { profile: profile.clone(), link })?)
            }
            None | Some(LinkState::Refused { .. }) => {
                let link = CashLink { id: None, link: None, state: LinkState::Registering };
                self.record(Fact::CashLinkBecame { profile: profile.clone(), link })?;
                let (size, qrc_id) = (wish.size, wish.qrc_id.clone());
                self.order(SbpOrder::RegisterLink { profile: profile.clone(), size, qrc_id });
                Ok(())
            }
            Some(state @ LinkState::RegistrationInDoubt { .. }) => {
                let why = "nobody knows whether it was registered; look it up in QRManager and name it by cash_qr_id and \
                           cash_qr_link";
                Err(Denial::CashLink { profile: profile.clone(), state: state.name(), why: why.to_owned() }.into())
            }
            Some(_) => Ok(()),
        }
    }

    fn link_registered(&mut self, profile: &str, outcome: &LinkOutcome) -> Result<(), Rejection> {
        let asked = |state: &LinkState| matches!(state, LinkState::Registering | LinkState::RegistrationInDoubt { .. });
        if !self.link(profile).is_some_and(|link| asked(&link.state)) {
            return Ok(());
        }
        let link = match outcome {
            LinkOutcome::Registered { id, link } => {
                CashLink { id: Some(id.clone()), link: Some(link.clone()), state: LinkState::Idle }
            }
            LinkOutcome::Refused { text } => {
                CashLink { id: None, link: None, state: LinkState::Refused { text: text.clone() } }
            }
            LinkOutcome::Lost { text } => {
                CashLink { id: None, link: None, state: LinkState::RegistrationInDoubt { text: text.clone() } }
            }
        };
        Ok(self.record(Fact::CashLinkBecame { profile: profile.to_owned(), link })?)
    }

    fn order(&mut self, order: SbpOrder) {
        self.effect(Effect::Sbp(order));
    }

    fn link(&self, profile: &str) -> Option<&CashLink> {
        self.t.register.cash_links.get(profile)
    }

    /// The registered link that no sale uses.
    fn idle_link(&self, profile: &str) -> Result<String, Denial> {
        let refuse = |state, why: String| Denial::CashLink { profile: profile.to_owned(), state, why };
        let Some(link) = self.link(profile) else {
            return Err(refuse("none", "register it first: POST /api/v1/sbp/cash-link".to_owned()));
        };
        match (&link.state, &link.id) {
            (LinkState::Idle, Some(id)) => Ok(id.clone()),
            (LinkState::Activating { payment } | LinkState::Active { payment }, _) => {
                Err(Denial::Busy { with: *payment })
            }
            (LinkState::Deactivating { .. }, _) => {
                let why = "it may still be live for the last sale; it is being deactivated, try again in a moment";
                Err(refuse(link.state.name(), why.to_owned()))
            }
            (state, _) => Err(refuse(state.name(), "it is not registered: see GET /api/v1/sbp/cash-link".to_owned())),
        }
    }

    fn link_became(&mut self, profile: &str, state: LinkState) -> Result<(), Rejection> {
        if let Some(link) = self.link(profile).filter(|link| link.state != state).cloned() {
            let link = CashLink { state, ..link };
            self.record(Fact::CashLinkBecame { profile: profile.to_owned(), link })?;
        }
        Ok(())
    }

    /// Whether the payment's link is held by this payment and stands so.
    fn link_is(&self, payment: &Payment, stands: impl Fn(&LinkState) -> bool) -> bool {
        let Some(sbp) = payment.sbp.as_ref().filter(|sbp| sbp.link_id.is_some()) else { return false };
        let holder = |state: &LinkState| match state {
            LinkState::Activating { payment } | LinkState::Active { payment } | LinkState::Deactivating { payment } => {
                Some(*payment)
            }
            _ => None,
        };
        self.link(&sbp.ask.profile).is_some_and(|link| holder(&link.state) == Some(payment.id) && stands(&link.state))
    }

    /// Change the payment's link, where the payment holds it.
    fn link_of(&mut self, payment: &Payment, state: LinkState) -> Result<(), Rejection> {
        match &payment.sbp {
            Some(sbp) if self.link_is(payment, |_| true) => self.link_became(&sbp.ask.profile, state),
            _ => Ok(()),
        }
    }

    /// Ask for the payment's link to be deactivated, where it may be live. One that is still being activated is left to its answer.
    fn deactivate_link_of(&mut self, payment: &Payment) -> Result<(), Rejection> {
        let answered = self.known(payment.id)?.sbp.as_ref().is_some_and(|sbp| sbp.code.is_some());
        let lost = matches!(self.known(payment.id)?.state, State::InDoubt { .. });
        let live = self.link_is(payment, |state| match state {
            LinkState::Active { .. } => true,
            LinkState::Activating { .. } => answered || lost,
            _ => false,
        });
        let Some(sbp) = payment.sbp.as_ref().filter(|_| live) else { return Ok(()) };
        self.link_of(payment, LinkState::Deactivating { payment: payment.id })?;
        if let Some(id) = sbp.link_id.clone() {
            let sale = Some(self.known(payment.id)?);
            self.order(SbpOrder::DeactivateLink { profile: sbp.ask.profile.clone(), id, sale });
        }
        Ok(())
    }
}
