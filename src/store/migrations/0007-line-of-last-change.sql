-- A till that was off catches up with what changed since: each payment knows the number of the last line about it. The journal may be cut,
-- payments are not, so this outlives their lines. Of payments whose lines were cut off before this step only the order is known; there are
-- fewer of them than lines that were cut.
ALTER TABLE payment ADD COLUMN line INTEGER NOT NULL DEFAULT 0;

UPDATE payment SET line = told.seq
FROM (SELECT payment_id, max(seq) AS seq FROM journal WHERE payment_id IS NOT NULL GROUP BY payment_id) AS told
WHERE told.payment_id = payment.id;

UPDATE payment SET line = ranked.place
FROM (SELECT number, row_number() OVER (ORDER BY number) AS place FROM payment WHERE line = 0) AS ranked
WHERE ranked.number = payment.number;

-- Without those that may still go on: they are few, are found by that, and would change their places here with every step of a sale.
CREATE INDEX payment_line ON payment (line) WHERE resident = 0;

CREATE TRIGGER payment_knows_its_last_line AFTER INSERT ON journal WHEN NEW.payment_id IS NOT NULL
BEGIN UPDATE payment SET line = NEW.seq WHERE id = NEW.payment_id; END;
