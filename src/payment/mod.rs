//! What a payment is and how it may move: a pure state machine that knows no other room, no clock, no I/O and no dice.
//!
//! ```text
//!              edit ⟲
//!  ┌────────┐ accept ┌────────────────┐ first byte / card ┌─────────────────┐ approved ┌──────┐ refunds = paid ┌──────────┐
//!  │created │───────►│ awaiting_payer │──────────────────►│ bank_processing │─────────►│ paid │───────────────►│ refunded │
//!  └──┬─────┘        └──┬──────────┬──┘                   └──┬───────────┬──┘          └──────┘                └──────────┘
//!     │ cancel, limit   │ cancel   │ expired        declined │           │ no answer      ▲  ▲
//!     ▼                 ▼          ▼                         ▼           ▼    evidence or │  │ late approval (flag `late`)
//!  cancelled        cancelled   expired                  declined     in_doubt ──operator─┘  └── from cancelled, declined, expired
//!                                                            ▲           │ evidence or operator
//!                                                            └───────────┘
//! ```
//!
//! Of an SBP code only its end is heard, so `awaiting_payer` may become `paid` at once.
//!
//! Invariants, held by the code of [`fact`] and by `tests/machine.rs`:
//!
//! 1. A payment is charged by exactly one [`event::Effect::Charge`] or one PinPad run, ever. Where the customer chooses (`auto`), a code is charged,
//!    and a card asked for once more, only after the PinPad's run before has ended and proved that no card paid.
//! 2. An approval and its fiscal debt are one line of the journal.
//! 3. `in_doubt` ends by evidence or by an operator, never by time.
//! 4. What is paid back, or may be, never exceeds what was paid.
//! 5. Facts are the only thing that changes a payment; replaying them gives the payment.

pub mod card;
pub mod code;
pub mod event;
pub mod fact;
pub mod fiscal;
pub mod machine;
pub mod money;
pub mod order;
pub mod reason;
pub mod receipt;
pub mod refund;
pub mod sale;
pub mod sbp;
pub mod terminal;

pub use event::{Denial, Effect, Event, Reply};
pub use fact::Fact;
pub use money::{Currency, Money};
pub use sale::{Method, Payment, PaymentId, State};
pub use terminal::Terminal;
