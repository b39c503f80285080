-- name: one_time_key_add
-- Keys of one device: user, device, algorithms, ids, keys. One that is known, claimed or not, stays as it is; when it is known with
-- another content the statement fails. Of claimed ones the newest $6 stay. Index: one_time_keys_pkey, one_time_keys_claimed_idx.
WITH forgotten AS (
	DELETE FROM one_time_keys o WHERE o.user_id = $1 AND o.device_id = $2 AND o.is_claimed AND o.seq <= (
		SELECT c.seq FROM one_time_keys c WHERE c.user_id = $1 AND c.device_id = $2 AND c.is_claimed
		ORDER BY c.seq DESC OFFSET $6::bigint LIMIT 1)
)
INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, key)
SELECT $1::text, $2::text, u.algorithm, u.key_id, u.key
FROM unnest($3::text[], $4::text[], $5::text[]) AS u(algorithm, key_id, key)
ORDER BY u.algorithm, u.key_id
ON CONFLICT (user_id, device_id, algorithm, key_id) DO UPDATE SET key = NULL
	WHERE one_time_keys.key <> excluded.key;

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
-- (2). Index: one_time_keys_free_idx, fallback_keys_pkey, device_messages_pkey.
SELECT 0, o.algorithm, count(*) FROM one_time_keys o
WHERE o.user_id = $1 AND o.device_id = $2 AND NOT o.is_claimed GROUP BY o.algorithm
UNION ALL
SELECT 1, f.algorithm, 0 FROM fallback_keys f WHERE f.user_id = $1 AND f.device_id = $2 AND NOT f.is_used
UNION ALL
SELECT 2, '', coalesce((SELECT max(m.position) FROM device_messages m WHERE m.user_id = $1 AND m.device_id = $2), 0)
ORDER BY 1, 2;

-- name: one_time_key_claim
-- One key for each triple of user, device, algorithm that has one: the oldest that nobody else is taking. `picked` has to
-- be made once: looked at again it would lock others; what it has locked stays where it lies until the end. The limits tell the planner
-- how few they are, and the arrays are hidden from it behind SELECT, so that it plans once. Nobody waits for anybody: what another one has
-- locked is passed over. Application services are told what their users have left. Rows: number of the triple, key id, key.
-- Index: one_time_keys_free_idx, accounts_pkey, appservice_key_news_pkey.
WITH wanted AS (
	SELECT unnest((SELECT $1::text[])) AS user_id, unnest((SELECT $2::text[])) AS device_id,
		unnest((SELECT $3::text[])) AS algorithm, generate_subscripts((SELECT $1::text[]), 1) AS n
	LIMIT (SELECT cardinality($1::text[]))
), picked AS MATERIALIZED (
	SELECT w.n, f.place FROM wanted w CROSS JOIN LATERAL (
		SELECT o.ctid AS place FROM one_time_keys o
		WHERE o.user_id = w.user_id AND o.device_id = w.device_id AND o.algorithm = w.algorithm AND NOT o.is_claimed
		ORDER BY o.seq LIMIT 1 FOR UPDATE SKIP LOCKED
	) AS f
), taken AS (
	UPDATE one_time_keys k SET is_claimed = true FROM picked p WHERE k.ctid = p.place
	RETURNING p.n, k.user_id, k.device_id, k.key_id, k.key
), told AS (
	INSERT INTO appservice_key_news (user_id, device_id, claims)
	SELECT t.user_id, t.device_id, 1
	FROM (SELECT DISTINCT user_id, device_id FROM taken) AS t
	JOIN accounts a ON a.user_id = t.user_id AND a.appservice_id IS NOT NULL
	ORDER BY t.user_id, t.device_id
	ON CONFLICT (user_id, device_id) DO UPDATE SET claims = appservice_key_news.claims + 1
)
SELECT n, key_id, key FROM taken;

-- name: fallback_key_claim
-- The fallback key, where there is one, for each triple of user, device, algorithm that has no other left; it is used from now on.
-- Nobody waits for anybody, as above. Application services are told. Rows: number of the triple, key id, key.
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
