//! A disk that outlives the power, and the ledger on it. It can be full, read-only, or fail once; what a failed commit
//! held is gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tolov::driver::ledger::{Entry, Ledger, LedgerError, OpenItems};
use tolov::payment::card::Settlement;
use tolov::payment::fact::Fact;
use tolov::payment::fiscal::ConfirmationState;
use tolov::payment::sale::{Payment, PaymentId};
use tolov::payment::terminal::{Lookup, Register};

#[derive(Clone, Default)]
struct Rows {
    payments: BTreeMap<PaymentId, Arc<Payment>>,
    /// Rows that were asked for since they were written, as the disk gives them back: taking one apart is most of a day's work.
    read: BTreeMap<PaymentId, Payment>,
    /// Every settlement as it stands, in their order.
    settlements: Vec<Arc<Settlement>>,
    register: Register,
    journal: Vec<(i64, Fact)>,
}

/// What is wrong with the disk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trouble {
    None,
    /// Until the reserve is freed; then there is room for answers, and none to lay the reserve again.
    Full {
        freed: bool,
    },
    ReadOnly,
    /// The next so many commits fail.
    Flaky(u32),
}

#[derive(Default)]
pub(crate) struct Disk {
    kept: Rows,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) commits: u64,
}

impl Disk {
    pub(crate) fn payments(&self) -> impl Iterator<Item = &Arc<Payment>> {
        self.kept.payments.values()
    }

    /// A row as it is read.
    fn row(&mut self, id: PaymentId) -> Payment {
        let Rows { payments, read: rows, .. } = &mut self.kept;
        rows.entry(id).or_insert_with(|| read(&*payments[&id])).clone()
    }

    pub(crate) fn payment(&self, id: PaymentId) -> Option<&Arc<Payment>> {
        self.kept.payments.get(&id)
    }

    pub(crate) fn settlements(&self) -> &[Arc<Settlement>] {
        &self.kept.settlements
    }

    pub(crate) fn journal(&self) -> &[(i64, Fact)] {
        &self.kept.journal
    }

    pub(crate) fn register(&self) -> &Register {
        &self.kept.register
    }

    pub(crate) fn queued(&self) -> Vec<Arc<Payment>> {
        let waits = |p: &&Arc<Payment>| p.confirmation().is_some_and(|c| c.state == ConfirmationState::Queued);
        self.payments().filter(waits).cloned().collect()
    }
}

/// The ledger of one life of the daemon.
pub(crate) struct OnDisk {
    disk: Arc<Mutex<Disk>>,
    open: Option<Batch>,
}

/// What a transaction has written so far.
#[derive(Default)]
struct Batch {
    payments: BTreeMap<PaymentId, Arc<Payment>>,
    settlements: Vec<Arc<Settlement>>,
    register: Option<Register>,
    journal: Vec<(i64, Fact)>,
}

impl OnDisk {
    pub(crate) fn new(disk: Arc<Mutex<Disk>>) -> Self {
        Self { disk, open: None }
    }
}

/// What a row becomes on its way through the disk: what is not kept is lost.
fn read<T: serde::Serialize + serde::de::DeserializeOwned>(row: &T) -> T {
    serde_json::from_str(&serde_json::to_string(row).unwrap()).unwrap()
}

impl Ledger for OnDisk {
    fn open_items(&mut self) -> Result<OpenItems, LedgerError> {
        let mut disk = self.disk.lock().unwrap();
        let open: Vec<PaymentId> = disk.payments().filter(|p| !p.may_leave_memory()).map(|p| p.id).collect();
        Ok(OpenItems {
            payments: open.into_iter().map(|id| disk.row(id)).collect(),
            settlement: disk.settlements().last().map(|s| read(&**s)),
            register: disk.kept.register.clone(),
        })
    }

    fn begin(&mut self) -> Result<(), LedgerError> {
        let disk = self.disk.lock().unwrap();
        if disk.trouble == Some(Trouble::ReadOnly) {
            return Err(LedgerError::ReadOnly);
        }
        self.open = Some(Batch::default());
        Ok(())
    }

    fn load(&mut self, lookup: &Lookup) -> Result<Vec<Payment>, LedgerError> {
        let fits = |p: &&Arc<Payment>| match lookup {
            Lookup::Payment(id) => p.id == *id,
            Lookup::Token(key) => {
                p.token.iter().chain(p.refunds.iter().filter_map(|r| r.token.as_ref())).any(|t| t.key == *key)
            }
            Lookup::Code(method, code) => p.method == *method && p.code.as_ref() == Some(code),
            Lookup::Upstream(method, id) => {
                p.method == *method && p.approval.as_ref().and_then(|a| a.payment_id.as_ref()) == Some(id)
            }
        };
        let mut disk = self.disk.lock().unwrap();
        let kept: Vec<PaymentId> = disk.payments().filter(fits).map(|p| p.id).collect();
        let mut found: BTreeMap<PaymentId, Payment> = kept.into_iter().map(|id| (id, disk.row(id))).collect();
        let written = self.open.iter().flat_map(|rows| rows.payments.values()).filter(fits);
        found.extend(written.map(|p| (p.id, read(&**p))));
        Ok(found.into_values().collect())
    }

    fn settlement_of(&mut self, token: &str) -> Result<Option<Settlement>, LedgerError> {
        let disk = self.disk.lock().unwrap();
        let written = self.open.iter().flat_map(|rows| rows.settlements.iter().rev());
        let asked = |s: &&Arc<Settlement>| s.token.as_ref().is_some_and(|t| t.key == token);
        let first = disk.kept.settlements.iter().find(asked).or_else(|| written.clone().find(asked));
        let as_it_stands = first.and_then(|first| written.clone().find(|s| s.id == first.id).or(Some(first)));
        Ok(as_it_stands.map(|s| read(&**s)))
    }

    fn append(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let Some(open) = &mut self.open else { return Err(LedgerError::Other("no transaction is open".into())) };
        open.payments.extend(entry.moves.iter().map(|moved| (moved.after.id, moved.after.clone())));
        open.settlements.extend(entry.settlement.clone());
        open.register = entry.register.clone().or(open.register.take());
        open.journal.extend(entry.facts.iter().map(|fact| (entry.at_ms, fact.clone())));
        Ok(())
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        let Some(open) = self.open.take() else { return Err(LedgerError::Other("no transaction is open".into())) };
        let mut disk = self.disk.lock().unwrap();
        match &mut disk.trouble {
            Some(Trouble::Full { freed: false }) => return Err(LedgerError::Full),
            Some(Trouble::ReadOnly) => return Err(LedgerError::ReadOnly),
            Some(Trouble::Flaky(left)) if *left > 0 => {
                *left -= 1;
                return Err(LedgerError::Other("I/O error".into()));
            }
            _ => {}
        }
        disk.commits += 1;
        disk.kept.read.retain(|id, _| !open.payments.contains_key(id));
        disk.kept.payments.extend(open.payments);
        for settlement in open.settlements {
            match disk.kept.settlements.iter_mut().find(|s| s.id == settlement.id) {
                Some(row) => *row = settlement,
                None => disk.kept.settlements.push(settlement),
            }
        }
        if let Some(register) = open.register {
            disk.kept.register = register;
        }
        disk.kept.journal.extend(open.journal);
        Ok(())
    }

    fn rollback(&mut self) {
        self.open = None;
    }

    fn free_reserve(&mut self) {
        if let Some(Trouble::Full { freed }) = &mut self.disk.lock().unwrap().trouble {
            *freed = true;
        }
    }

    fn prove_writable(&mut self) -> Result<(), LedgerError> {
        match &self.disk.lock().unwrap().trouble {
            Some(Trouble::Full { .. }) => Err(LedgerError::Full),
            Some(Trouble::ReadOnly) => Err(LedgerError::ReadOnly),
            Some(Trouble::Flaky(left)) if *left > 0 => Err(LedgerError::Other("I/O error".into())),
            _ => Ok(()),
        }
    }
}
