-- Payments that are created first and accepted later, and the words for them. Their requests have tokens of their own, which stand in `token`
-- beside the first one; nothing in the tables changes. A version that does not know these words has to refuse the file.
SELECT 1;
