//! Refunds and cash links: asked until it is known how they ended. What moves money is sent once; only questions and deactivations repeat.

use std::sync::Arc;

use tracing::{debug, warn};

use super::budget::Urgency;
use super::profile::Profile;
use super::waits::{backoff_ms, scattered};
use crate::driver::Handle;
use crate::limits;
use crate::payment::event::Event;
use crate::payment::sale::{Decline, DeclineKind, Payment, Refund, RefundId};
use crate::payment::sbp::{QrStatus, RefundOutcome, SbpHeard};
use crate::provider::qrm::error::QrmError;
use crate::provider::qrm::refund::RefundStatus;

/// Ask how a refund went until it is done or refused. Nothing but QRManager's own word ends it.
pub(super) async fn refund(profile: Arc<Profile>, driver: Handle, payment: Arc<Payment>, refund: RefundId) {
    let Some(asked) = payment.refund(refund) else {
        warn!(%refund, "a refund that the sale does not have cannot be asked about");
        return;
    };
    if asked.upstream_id.is_none() && !is_only_one(&payment, asked) {
        warn!(%refund, "QRManager never named this refund of a part; only a person can find out about it");
        return;
    }
    let waits = *profile.waits();
    let mut complaint = String::new();
    for attempts in 0_u32.. {
        let pause_ms = backoff_ms(waits.refund_ask_first_ms, waits.refund_ask_longest_ms, attempts);
        tokio::time::sleep(limits::wait(pause_ms)).await;
        let known = match asked.upstream_id {
            Some(_) => by_name(&profile, &payment, refund).await,
            None => by_operation(&profile, &payment).await,
        };
        match known {
            Ok(Some(outcome)) => {
                driver.tell(Event::Sbp(SbpHeard::Refund { payment: payment.id, refund, outcome })).await;
                return;
            }
            Ok(None) => debug!(%refund, "a refund is under way still"),
            // A 404 as well: QRManager may not know of it yet.
            Err(error) => {
                let text = error.to_string();
                if text != complaint {
                    warn!(%refund, %error, "how a refund went cannot be asked; asking again");
                    complaint = text;
                }
            }
        }
    }
}

async fn by_name(profile: &Profile, payment: &Payment, refund: RefundId) -> Result<Option<RefundOutcome>, QrmError> {
    Ok(match profile.qrm().refund_status(payment, refund).await? {
        RefundStatus::Success => Some(RefundOutcome::Done),
        RefundStatus::Fail { message } => {
            Some(RefundOutcome::Refused(Decline { why: DeclineKind::Refused, code: Some("fail".to_owned()), message }))
        }
        RefundStatus::Received => None,
    })
}

/// Without QRManager's name of the refund only the operation can tell, and only one thing: 7 after a refund of the whole amount, which leaves
/// no room for another one.
async fn by_operation(profile: &Profile, payment: &Payment) -> Result<Option<RefundOutcome>, QrmError> {
    let status = profile.ask_status(payment, Urgency::Routine).await?;
    Ok((status == QrStatus::Refunded).then_some(RefundOutcome::Done))
}

fn is_only_one(payment: &Payment, refund: &Refund) -> bool {
    let mut others = payment.refunds.iter().filter(|other| other.id != refund.id);
    refund.amount == payment.amount && others.all(|other| !other.state.holds_money())
}

/// Deactivate a cash link, as often as it takes. What QRManager says to a link that is not active any more is not printed; where it does not
/// say OK, the final status of the sale that the link was active for proves the same.
pub(super) async fn deactivate(profile: Arc<Profile>, driver: Handle, id: String, sale: Option<Arc<Payment>>) {
    let waits = *profile.waits();
    let mut complaint = String::new();
    for attempts in 0_u32.. {
        match profile.qrm().deactivate_link(&id).await {
            Ok(()) => return told_inactive(&profile, &driver).await,
            Err(_) if is_over(&profile, sale.as_deref()).await => return told_inactive(&profile, &driver).await,
            Err(error) => {
                let text = error.to_string();
                if text != complaint {
                    warn!(profile = profile.name(), %error, "a cash link may be live still; deactivating it again");
                    complaint = text;
                }
            }
        }
        let pause_ms = backoff_ms(waits.link_retry_first_ms, waits.link_retry_longest_ms, attempts);
        tokio::time::sleep(limits::wait(scattered(pause_ms))).await;
    }
}

async fn told_inactive(profile: &Profile, driver: &Handle) {
    driver.tell(Event::Sbp(SbpHeard::LinkDeactivated { profile: profile.name().to_owned() })).await;
}

/// QRManager says of the link's own operation that nobody can pay it any more.
async fn is_over(profile: &Profile, sale: Option<&Payment>) -> bool {
    let named = sale.filter(|sale| sale.sbp.as_ref().is_some_and(|sbp| sbp.code.is_some()));
    let Some(sale) = named else { return false };
    profile.ask_status(sale, Urgency::Routine).await.is_ok_and(QrStatus::is_final)
}
