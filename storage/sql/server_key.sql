-- name: server_key_list hot
-- All keys of some servers, those seen last first: names. Index: server_keys_pkey.
SELECT server_name, key_id, public_key, valid_until_ms, expired_ms FROM server_keys
WHERE server_name = ANY ($1::text[]) ORDER BY server_name, seen_at_ms DESC, key_id;

-- name: server_key_put
-- Keys of one server as an answer has them: name, ids, public keys, ends, ends as old keys (0: current), now.
INSERT INTO server_keys (server_name, key_id, public_key, valid_until_ms, expired_ms, seen_at_ms)
SELECT $1, k.key_id, decode(k.public_key, 'hex'), k.valid_until_ms, nullif(k.expired_ms, 0), $6
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS k (key_id, public_key, valid_until_ms, expired_ms)
ON CONFLICT ON CONSTRAINT server_keys_pkey DO UPDATE SET public_key = excluded.public_key,
	valid_until_ms = excluded.valid_until_ms, expired_ms = excluded.expired_ms, seen_at_ms = excluded.seen_at_ms;

-- name: server_key_trim
-- Of one server's keys the ones seen longest ago, beyond a number: name, number. Index: server_keys_pkey.
DELETE FROM server_keys WHERE server_name = $1 AND key_id IN (
	SELECT key_id FROM server_keys WHERE server_name = $1 ORDER BY seen_at_ms DESC, key_id OFFSET $2);

-- name: server_key_answer_put
-- One row, unless a newer answer is there: name, text, end, now.
INSERT INTO server_key_answers (server_name, answer, valid_until_ms, received_at_ms) VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT server_key_answers_pkey DO UPDATE SET answer = excluded.answer,
	valid_until_ms = excluded.valid_until_ms, received_at_ms = excluded.received_at_ms
WHERE server_key_answers.valid_until_ms <= excluded.valid_until_ms;

-- name: server_key_answer_list hot
-- The answers of some servers: names. Index: server_key_answers_pkey.
SELECT server_name, answer, valid_until_ms, received_at_ms FROM server_key_answers
WHERE server_name = ANY ($1::text[]);

-- name: server_key_forget
-- Keys that were seen longest ago, beyond a number: number. Index: server_keys_seen_idx.
DELETE FROM server_keys WHERE seen_at_ms <= (
	SELECT seen_at_ms FROM server_keys ORDER BY seen_at_ms DESC OFFSET $1 LIMIT 1);

-- name: server_key_answer_forget
-- Answers that came longest ago, beyond a number: number. Index: server_key_answers_received_idx.
DELETE FROM server_key_answers WHERE received_at_ms <= (
	SELECT received_at_ms FROM server_key_answers ORDER BY received_at_ms DESC OFFSET $1 LIMIT 1);
