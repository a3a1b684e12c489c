-- What is to become an electronic receipt names people, so it is in no line of the journal: it waits in its row of the queue until the
-- provider has it, and is dropped there.
ALTER TABLE outbox ADD COLUMN body TEXT;
