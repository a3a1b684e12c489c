//! Whoever follows the journal line by line knows where each payment stands, without replaying anything.

use tolov::payment::fact::Fact;
use tolov::payment::sale::State;
use tolov::payment::terminal::Terminal;

use super::World;

impl World {
    /// What the line says of its payment is what the line did to it; `after` it.
    pub(super) fn check_told(&mut self, fact: &Fact, after: &Terminal) -> Result<(), String> {
        let Some(payment) = fact.payment() else { return Ok(()) };
        let before = self.told.get(&payment).copied();
        let told = fact.moves().map_or(before, |moves| moves.after(before));
        let stands = after.payments.get(&payment).map(|p| p.state.name());
        if told != stands {
            return Err(format!("whoever follows believes {told:?}, and it is {stands:?} after {fact:?}"));
        }
        if let Some(told) = told {
            if !State::NAMES.contains(&told) {
                return Err(format!("{told} is no name of a state"));
            }
            self.told.insert(payment, told);
        }
        Ok(())
    }
}
