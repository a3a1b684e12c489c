//! The terminal without hardware: the vendors, simulated. Left out of a box's build, so that it can never approve imaginary money.

pub mod gateway;
