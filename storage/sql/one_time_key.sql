-- name: one_time_key_add hot
-- Keys of one device that become a batch: user, device, algorithm, the least and the greatest rank of an id, the keys as one value (matrix/key_entry.h), how
-- many they are; added if the device has no more than $8 that are unclaimed, its identity is $9 (NULL: none), and all ids of the algorithm's counter are less, or
-- it has counted $10 keys, which were compared with these (one_time_key_near). Who counts holds all counters of the device until the commit, in one order: so keys
-- stand in the order of their numbers, and who waited for another has what that one left, but for a counter that was made meanwhile. Rows: the batch's number, which is NULL when they were not
-- added, and each algorithm that has a counter with what was unclaimed of it before. Index: device_keys_pkey, one_time_key_counters_pkey, one_time_key_batches_pkey.
WITH held AS MATERIALIZED (
	SELECT o.algorithm, o.total - o.given AS keys FROM one_time_key_counters o WHERE o.user_id = $1 AND o.device_id = $2
	ORDER BY o.algorithm FOR NO KEY UPDATE
), counted AS (
	UPDATE one_time_key_counters c SET total = c.total + $7::bigint, last_rank = greatest(c.last_rank, $5::text)
	WHERE c.user_id = $1 AND c.device_id = $2 AND c.algorithm = $3 AND (c.last_rank < $4::text OR c.total = $10::bigint)
		AND (SELECT sum(h.keys) FROM held h) <= $8::bigint
		AND (SELECT k.ed25519 FROM device_keys k WHERE k.user_id = $1 AND k.device_id = $2) IS NOT DISTINCT FROM $9::text
	RETURNING c.counter_nid, c.total - $7::bigint AS seq
), added AS (
	INSERT INTO one_time_key_batches (counter_nid, seq, total, first_rank, last_rank, keys)
	SELECT c.counter_nid, c.seq, $7::bigint, $4::text, $5::text, $6::bytea FROM counted c
)
SELECT (SELECT c.seq FROM counted c), h.algorithm, h.keys FROM held h;

-- name: one_time_key_count
-- A counter for a device's keys of an algorithm, unless there is one; fails when there is no such device. Index: one_time_key_counters_pkey, devices_pkey.
INSERT INTO one_time_key_counters (user_id, device_id, algorithm) VALUES ($1, $2, $3) ON CONFLICT (user_id, device_id, algorithm) DO NOTHING;

-- name: one_time_key_near hot
-- Batches of a device and algorithm, spent or not, that may hold an id between two ranks: the first four from number $6 on. Rows: how many keys the counter
-- has counted, the number behind the batch, its keys and how many they are, the device's identity; where there is no batch, one of NULLs behind the first and
-- before the last. Index: one_time_key_counters_pkey, one_time_key_batches_pkey, device_keys_pkey.
SELECT c.total, b.behind, b.keys, b.total, (SELECT k.ed25519 FROM device_keys k WHERE k.user_id = $1 AND k.device_id = $2)
FROM one_time_key_counters c LEFT JOIN LATERAL (
	SELECT o.seq + o.total AS behind, o.keys, o.total FROM one_time_key_batches o
	WHERE o.counter_nid = c.counter_nid AND o.seq >= $6::bigint AND o.last_rank >= $4::text AND o.first_rank <= $5::text
	ORDER BY o.seq LIMIT 4
) AS b ON true
WHERE c.user_id = $1 AND c.device_id = $2 AND c.algorithm = $3;

-- name: one_time_key_forget hot
-- What is spent of a device and algorithm and was uploaded before a number goes. Index: one_time_key_counters_pkey, one_time_key_batches_pkey.
DELETE FROM one_time_key_batches b USING one_time_key_counters c
WHERE c.user_id = $1 AND c.device_id = $2 AND c.algorithm = $3 AND b.counter_nid = c.counter_nid AND b.seq < $4::bigint AND b.seq + b.total <= c.given;

-- name: fallback_key_set
-- Keys of one device: user, device, algorithms, ids, keys; one for each algorithm. The same key again stays used if it was.
-- Index: fallback_keys_pkey.
INSERT INTO fallback_keys (user_id, device_id, algorithm, key_id, key)
SELECT $1::text, $2::text, u.algorithm, u.key_id, u.key
FROM unnest($3::text[], $4::text[], $5::text[]) AS u(algorithm, key_id, key)
ORDER BY u.algorithm
ON CONFLICT (user_id, device_id, algorithm) DO UPDATE SET key_id = excluded.key_id, key = excluded.key, is_used = false
	WHERE fallback_keys.key_id <> excluded.key_id OR fallback_keys.key <> excluded.key;

-- name: one_time_key_state hot
-- What a device has left: unclaimed keys by algorithm (0), algorithms with an unused fallback key (1), and its newest message
-- (2). Index: one_time_key_counters_pkey, fallback_keys_pkey, device_messages_pkey.
SELECT 0, o.algorithm, o.total - o.given FROM one_time_key_counters o
WHERE o.user_id = $1 AND o.device_id = $2 AND o.given < o.total
UNION ALL
SELECT 1, f.algorithm, 0 FROM fallback_keys f WHERE f.user_id = $1 AND f.device_id = $2 AND NOT f.is_used
UNION ALL
SELECT 2, '', coalesce((SELECT max(m.position) FROM device_messages m WHERE m.user_id = $1 AND m.device_id = $2), 0)
ORDER BY 1, 2;

-- name: one_time_key_claim
-- Keys for triples of user, device, algorithm, each once, of each so many as the oldest batch that is not spent has left at the most. Who
-- takes of the same counter waits for who was before, and goes on behind that one; whoever asks names the triples in one
-- order, so nobody waits for each other. `picked` has to be made once: looked at again it would lock others. It cannot be met again where it
-- lies, for it may have moved while this one waited. What was uploaded meanwhile is not seen yet: then of a counter that has some left none is
-- taken, which is told, and who asks again has it (unless it is lost: one_time_key_lost). Of the value only the part is read that has these keys. Application services are told what their
-- users have left. Rows: number of the triple, how many keys, and these (matrix/key_entry.h). Index: one_time_key_counters_pkey, one_time_key_batches_pkey, accounts_pkey, appservice_key_news_pkey.
WITH picked AS MATERIALIZED (
	SELECT w.n, w.count, f.*
	FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY AS w(user_id, device_id, algorithm, count, n)
	CROSS JOIN LATERAL (
		SELECT o.user_id, o.device_id, o.algorithm, o.counter_nid, o.given, o.total FROM one_time_key_counters o
		WHERE o.user_id = w.user_id AND o.device_id = w.device_id AND o.algorithm = w.algorithm AND o.given < o.total
		LIMIT 1 FOR NO KEY UPDATE
	) AS f
), taken AS (
	UPDATE one_time_key_counters k SET given = f.given_then
	FROM (
		SELECT p.n, p.user_id, p.device_id, p.algorithm, p.given,
			greatest(p.given, least(p.total, p.given + p.count, coalesce(b.seq + b.total, 0))) AS given_then,
			p.given - b.seq AS before, octet_length(b.keys) / b.total AS entry_bytes, b.keys
		FROM picked p LEFT JOIN LATERAL (
			SELECT o.seq, o.total, o.keys FROM one_time_key_batches o
			WHERE o.counter_nid = p.counter_nid AND o.seq <= p.given ORDER BY o.seq DESC LIMIT 1
		) AS b ON true
		OFFSET 0
	) AS f WHERE k.user_id = f.user_id AND k.device_id = f.device_id AND k.algorithm = f.algorithm
	RETURNING f.n, k.user_id, k.device_id, k.given - f.given AS count,
		substring(f.keys, (f.before * f.entry_bytes + 1)::integer, ((k.given - f.given) * f.entry_bytes)::integer) AS keys
), told AS (
	INSERT INTO appservice_key_news (user_id, device_id, claims)
	SELECT DISTINCT t.user_id, t.device_id, 1 FROM taken t JOIN accounts a ON a.user_id = t.user_id AND a.appservice_id IS NOT NULL
	ORDER BY t.user_id, t.device_id
	ON CONFLICT (user_id, device_id) DO UPDATE SET claims = appservice_key_news.claims + 1
)
SELECT t.n, t.count, t.keys FROM taken t;

-- name: one_time_key_lost hot
-- Of triples of user, device, algorithm the counters that have keys left, of which no batch has the next one. Rows: number of the counter, its algorithm, the next
-- key's number. Index: one_time_key_counters_pkey, one_time_key_batches_pkey.
SELECT c.counter_nid, c.algorithm, c.given FROM unnest($1::text[], $2::text[], $3::text[]) AS u(user_id, device_id, algorithm)
CROSS JOIN LATERAL (
	SELECT o.counter_nid, o.algorithm, o.given FROM one_time_key_counters o
	WHERE o.user_id = u.user_id AND o.device_id = u.device_id AND o.algorithm = u.algorithm AND o.given < o.total OFFSET 0
) AS c
LEFT JOIN LATERAL (
	SELECT o.seq + o.total AS behind FROM one_time_key_batches o
	WHERE o.counter_nid = c.counter_nid AND o.seq <= c.given ORDER BY o.seq DESC LIMIT 1
) AS b ON true
WHERE coalesce(b.behind, 0) <= c.given;

-- name: fallback_key_claim
-- The fallback key, where there is one, for each triple of user, device, algorithm that has no other left; it is used from now on.
-- Nobody waits for anybody: what another one marks is passed over. Application services are told. Rows: number of the triple, key id, key.
-- Index: fallback_keys_pkey, accounts_pkey, appservice_key_news_pkey.
WITH short AS (
	SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS u(user_id, device_id, algorithm, n)
), marked AS (
	UPDATE fallback_keys f SET is_used = true
	FROM (
		SELECT l.user_id, l.device_id, l.algorithm FROM short s CROSS JOIN LATERAL (
			SELECT g.user_id, g.device_id, g.algorithm FROM fallback_keys g
			WHERE g.user_id = s.user_id AND g.device_id = s.device_id AND g.algorithm = s.algorithm AND NOT g.is_used
			FOR UPDATE SKIP LOCKED
		) AS l
	) AS u
	WHERE f.user_id = u.user_id AND f.device_id = u.device_id AND f.algorithm = u.algorithm
	RETURNING f.user_id, f.device_id
), told AS (
	INSERT INTO appservice_key_news (user_id, device_id, claims)
	SELECT m.user_id, m.device_id, 1
	FROM (SELECT DISTINCT user_id, device_id FROM marked) AS m
	JOIN accounts a ON a.user_id = m.user_id AND a.appservice_id IS NOT NULL
	ORDER BY m.user_id, m.device_id
	ON CONFLICT (user_id, device_id) DO UPDATE SET claims = appservice_key_news.claims + 1
)
SELECT s.n, f.key_id, f.key FROM short s
JOIN fallback_keys f ON f.user_id = s.user_id AND f.device_id = s.device_id AND f.algorithm = s.algorithm;
