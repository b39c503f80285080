-- name: one_time_key_add hot
-- Keys of one device that become a batch: user, device, algorithm, the least and the greatest rank of an id, the keys as one value (matrix/key_entry.h), how
-- many they are; added if the device has no more than $8 that are unclaimed, its identity is $9 (NULL: none), and no batch from number $10 on, spent or not,
-- may hold one of these ids, which its least and greatest rank tell. Rows: 0 with each of the first four batches that stood against it, as its keys, how many
-- they are, and the number behind it: from the last of these on, another may; 1 with each algorithm and what was unclaimed of it before; 2 with the device's
-- identity, and the batch's number, which is NULL when they were not added. If nothing else stood against it, another upload of the device has come in
-- between, and this may try again.
-- Index: device_keys_pkey, one_time_key_batches_pkey, one_time_key_batches_free_idx, one_time_key_batches_ids_idx.
WITH device AS (
	SELECT (SELECT k.ed25519 FROM device_keys k WHERE k.user_id = $1 AND k.device_id = $2) AS ed25519,
		coalesce((SELECT n.seq + n.total FROM one_time_key_batches n WHERE n.user_id = $1 AND n.device_id = $2
			ORDER BY n.seq DESC LIMIT 1), 0) AS seq
), held AS (
	SELECT o.algorithm, sum(o.total - o.given) AS keys FROM one_time_key_batches o
	WHERE o.user_id = $1 AND o.device_id = $2 AND NOT o.is_spent GROUP BY o.algorithm
), near AS (
	SELECT o.keys, o.total, o.seq + o.total AS behind FROM one_time_key_batches o
	WHERE o.algorithm = $3 AND o.user_id = $1 AND o.device_id = $2 AND o.last_rank >= $4 AND o.first_rank <= $5 AND o.seq >= $10
	ORDER BY o.seq + 0 LIMIT 4
), added AS (
	INSERT INTO one_time_key_batches (user_id, device_id, algorithm, seq, first_rank, last_rank, keys, total)
	SELECT $1::text, $2::text, $3::text, d.seq, $4::text, $5::text, $6::bytea, $7::bigint
	FROM device d
	WHERE d.ed25519 IS NOT DISTINCT FROM $9::text AND (SELECT coalesce(sum(h.keys), 0) FROM held h) <= $8::bigint
		AND NOT EXISTS (SELECT 1 FROM near)
	ON CONFLICT (user_id, device_id, seq) DO NOTHING
	RETURNING seq
)
SELECT 0, NULL, b.keys, b.total, b.behind FROM near b
UNION ALL
SELECT 1, h.algorithm, NULL, h.keys, NULL FROM held h
UNION ALL
SELECT 2, d.ed25519, NULL, NULL, (SELECT a.seq FROM added a) FROM device d;

-- name: one_time_key_forget hot
-- What is spent of a device and was uploaded before a number goes. Index: one_time_key_batches_pkey.
DELETE FROM one_time_key_batches WHERE user_id = $1 AND device_id = $2 AND seq < $3 AND is_spent;

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
-- (2). Index: one_time_key_batches_free_idx, fallback_keys_pkey, device_messages_pkey.
SELECT 0, o.algorithm, sum(o.total - o.given) FROM one_time_key_batches o
WHERE o.user_id = $1 AND o.device_id = $2 AND NOT o.is_spent GROUP BY o.algorithm
UNION ALL
SELECT 1, f.algorithm, 0 FROM fallback_keys f WHERE f.user_id = $1 AND f.device_id = $2 AND NOT f.is_used
UNION ALL
SELECT 2, '', coalesce((SELECT max(m.position) FROM device_messages m WHERE m.user_id = $1 AND m.device_id = $2), 0)
ORDER BY 1, 2;

-- name: one_time_key_claim
-- Keys for triples of user, device, algorithm, each once, of each so many as the oldest batch that is not spent has left at the most. Who
-- takes of the same batch waits for who was before, and has what that one left, or the next batch; whoever asks names the triples in one
-- order, so nobody waits for each other. `picked` has to be made once: looked at again it would lock others. It cannot be met again where it
-- lies, for it may have moved while this one waited. The limits tell the planner how few they are, and the arrays are
-- hidden from it behind SELECT, so that it plans once. Of the value only the part is read that has these keys. Application services are told what their
-- users have left. Rows: number of the triple, how many keys, and these (matrix/key_entry.h). Index: one_time_key_batches_free_idx, one_time_key_batches_pkey, accounts_pkey, appservice_key_news_pkey.
WITH wanted AS (
	SELECT unnest((SELECT $1::text[])) AS user_id, unnest((SELECT $2::text[])) AS device_id,
		unnest((SELECT $3::text[])) AS algorithm, unnest((SELECT $4::bigint[])) AS count,
		generate_subscripts((SELECT $1::text[]), 1) AS n
	LIMIT (SELECT cardinality($1::text[]))
), picked AS MATERIALIZED (
	SELECT w.n, f.user_id, f.device_id, f.seq, f.given, least(f.total, f.given + w.count)::integer AS given_then
	FROM wanted w CROSS JOIN LATERAL (
		SELECT o.user_id, o.device_id, o.seq, o.given, o.total FROM one_time_key_batches o
		WHERE o.user_id = w.user_id AND o.device_id = w.device_id AND o.algorithm = w.algorithm AND NOT o.is_spent
		ORDER BY o.seq LIMIT 1 FOR NO KEY UPDATE
	) AS f
	LIMIT (SELECT cardinality($1::text[]))
), taken AS (
	UPDATE one_time_key_batches k SET given = p.given_then, is_spent = p.given_then = k.total
	FROM picked p WHERE k.user_id = p.user_id AND k.device_id = p.device_id AND k.seq = p.seq
	RETURNING p.n, k.user_id, k.device_id, k.given - p.given AS count,
		substring(k.keys, p.given * (octet_length(k.keys) / k.total) + 1, (k.given - p.given) * (octet_length(k.keys) / k.total)) AS keys
), told AS (
	INSERT INTO appservice_key_news (user_id, device_id, claims)
	SELECT t.user_id, t.device_id, 1
	FROM (SELECT DISTINCT user_id, device_id FROM taken) AS t
	JOIN accounts a ON a.user_id = t.user_id AND a.appservice_id IS NOT NULL
	ORDER BY t.user_id, t.device_id
	ON CONFLICT (user_id, device_id) DO UPDATE SET claims = appservice_key_news.claims + 1
)
SELECT t.n, t.count, t.keys FROM taken t;

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
