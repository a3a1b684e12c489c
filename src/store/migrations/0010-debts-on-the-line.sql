-- How many paid sales owe their receipt stands on the journal's line from now on, as it was after the step that wrote it: the last line has today's
-- number. Each approval changed a page of its own for it. Lines of an earlier version have none; until another one is written the payments are counted.
DROP TRIGGER payment_counts_in;
DROP TRIGGER payment_counts_on;
ALTER TABLE depth DROP COLUMN owed;
ALTER TABLE journal ADD COLUMN owed INTEGER CHECK (owed >= 0);
