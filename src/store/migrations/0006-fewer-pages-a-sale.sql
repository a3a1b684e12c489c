-- A sale that is paid at once passes through the states of progress and entered this index for a millisecond: a page of the log at each of
-- its two commits. Whoever is in progress is resident, and is found by that.
DROP INDEX payment_state;
CREATE INDEX payment_state ON payment (state, number) WHERE state NOT IN ('created', 'awaiting_payer', 'bank_processing', 'paid');
