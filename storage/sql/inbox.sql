-- name: inbox_find hot
-- One row: the answer that a transaction ($2) of a server ($1) got, NULL when it is new; how much of the server waits.
-- Index: inbox_transactions_pkey, inbox_origin_idx.
SELECT (SELECT answer FROM inbox_transactions WHERE origin = $1 AND txn_id = $2),
	(SELECT count(*) FROM inbox WHERE origin = $1);

-- name: inbox_count
-- One row: how much waits, and when the oldest of it came. As many rows as wait.
SELECT count(*), coalesce(min(received_at_ms), 0) FROM inbox;

-- name: inbox_due_queues hot
-- Up to $2 queues in which something is due at $1. What is new yet has its time to come, or waits for longer than the longest pause ($3),
-- was written before the clock was set back: due now. Index: inbox_due_idx, twice.
WITH early AS (
	UPDATE inbox SET due_at_ms = $1 WHERE due_at_ms > $1 AND (attempts = 0 OR due_at_ms > $1 + $3) RETURNING queue
)
SELECT queue FROM (SELECT queue FROM inbox WHERE due_at_ms <= $1 ORDER BY due_at_ms LIMIT $2) AS due
UNION SELECT queue FROM early LIMIT $2;

-- name: inbox_next hot
-- Up to $3 of a queue's items that are due at $2, in order. What is new is due whatever the time: who wrote it may have had a clock that is
-- ahead, and what came after it must not pass it. Index: inbox_queue_idx.
SELECT item_nid, origin, event_id, body, attempts FROM inbox
WHERE queue = $1 AND (due_at_ms <= $2 OR attempts = 0) ORDER BY item_nid LIMIT $3;

-- name: inbox_done hot
-- Items are dealt with. Not flushed: should it be lost, they are dealt with again, which changes nothing. Index: inbox_pkey.
DELETE FROM inbox USING (SELECT set_config('synchronous_commit', 'off', true)) AS quiet
WHERE item_nid = ANY($1::bigint[]);

-- name: inbox_defer hot
-- An item is tried again at $2, after $3 attempts and this one; unless another process has tried it meanwhile. Index: inbox_pkey.
UPDATE inbox SET due_at_ms = $2, attempts = attempts + 1 WHERE item_nid = $1 AND attempts = $3;

-- name: inbox_transaction_tidy
-- Those older than a time, and of each server all but the newest $2. As many rows as there are.
DELETE FROM inbox_transactions t USING (SELECT origin, txn_id,
	row_number() OVER (PARTITION BY origin ORDER BY received_at_ms DESC) AS place FROM inbox_transactions) AS ranked
WHERE t.origin = ranked.origin AND t.txn_id = ranked.txn_id AND (t.received_at_ms < $1 OR ranked.place > $2);
