-- Sessions by which two devices meet. Nothing here flushes: the table is unlogged.

-- name: rendezvous_insert
-- One row: hash of the id, etag, payload, now, end. Takes the place of the oldest session when all slots are used. Index: rendezvous_sessions_pkey.
INSERT INTO rendezvous_sessions (slot, id_hash, etag, payload, modified_ms, expires_ms)
VALUES (nextval('rendezvous_slots'), $1, $2, $3, $4, $5)
ON CONFLICT (slot) DO UPDATE SET id_hash = excluded.id_hash, etag = excluded.etag, payload = excluded.payload,
	modified_ms = excluded.modified_ms, expires_ms = excluded.expires_ms;

-- name: rendezvous_find hot
-- At most one row: hash of the id, now. Index: rendezvous_sessions_id_idx.
SELECT etag, payload, modified_ms, expires_ms FROM rendezvous_sessions WHERE id_hash = $1 AND expires_ms > $2;

-- name: rendezvous_replace
-- At most one row, as it is then: hash of the id, etag that it must have, the new etag, payload, now. One with another etag stays as it is. Of two
-- at once the second waits for the first, and sees its etag. Index: rendezvous_sessions_id_idx.
UPDATE rendezvous_sessions SET etag = CASE WHEN etag = $2 THEN $3 ELSE etag END,
	payload = CASE WHEN etag = $2 THEN $4 ELSE payload END,
	modified_ms = CASE WHEN etag = $2 THEN $5 ELSE modified_ms END
WHERE id_hash = $1 AND expires_ms > $5
RETURNING etag, modified_ms, expires_ms;

-- name: rendezvous_delete
-- At most one row: hash of the id, now. Index: rendezvous_sessions_id_idx.
DELETE FROM rendezvous_sessions WHERE id_hash = $1 AND expires_ms > $2;

-- name: rendezvous_delete_old
-- All that have ended: now. Reads the whole table, which has 4,096 rows at most. Rare: once in a while.
DELETE FROM rendezvous_sessions WHERE expires_ms <= $1;
