-- The register remembers the last eight card sales without a key, where it remembered the very last card sale. They are in the journal;
-- without this step the register would differ from what the journal gives until eight more were sold, and a repeat would not be found.
UPDATE register SET body = json_set(json_remove(body, '$.last_sale'), '$.last_sales', json((
    SELECT json_group_array(payment_id ORDER BY seq) FROM (
        SELECT payment_id, seq FROM journal
        WHERE kind = 'opened' AND body ->> 'method' = 'humo' AND body ->> 'token' IS NULL
        ORDER BY seq DESC LIMIT 8
    )
)))
WHERE json_type(body, '$.last_sales') IS NULL;
