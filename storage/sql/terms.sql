-- name: terms_accept
-- A row for each policy, of a user who is not deactivated: user, ids, versions, time. Index: terms_accepted_pkey, accounts_pkey.
INSERT INTO terms_accepted (user_id, policy_id, version, accepted_at_ms)
SELECT a.user_id, u.policy_id, u.version, $4
FROM accounts AS a CROSS JOIN unnest($2::text[], $3::text[]) AS u(policy_id, version)
WHERE a.user_id = $1 AND a.state <> 'deactivated'
ON CONFLICT DO NOTHING;

-- name: terms_lacking hot
-- One row: whether user $1 has not accepted one of the policies (ids $2, versions $3). Index: terms_accepted_pkey.
SELECT EXISTS (
	SELECT 1 FROM unnest($2::text[], $3::text[]) AS u(policy_id, version) WHERE NOT EXISTS (
		SELECT 1 FROM terms_accepted AS t
		WHERE t.user_id = $1 AND t.policy_id = u.policy_id AND t.version = u.version));

-- name: terms_tell
-- A notice (user, versions, text, time), for the first who tells the user of these versions. Index: terms_told_pkey.
WITH told AS (
	INSERT INTO terms_told AS t (user_id, versions) VALUES ($1, $2)
	ON CONFLICT (user_id) DO UPDATE SET versions = excluded.versions WHERE t.versions <> excluded.versions
	RETURNING user_id
)
INSERT INTO server_notices (user_id, body, created_at_ms) SELECT told.user_id, $3, $4 FROM told;

-- name: terms_accepted_list hot
-- Up to $4 rows after the key ($1, $2, $3), of one user where $5 is given. Index: terms_accepted_pkey.
SELECT user_id, policy_id, version, accepted_at_ms FROM terms_accepted
WHERE (user_id, policy_id, version) > ($1, $2, $3) AND user_id = coalesce($5, user_id)
ORDER BY user_id, policy_id, version LIMIT $4;

-- name: terms_missing
-- Up to $4 users after $1 who can log in and lack one of the policies (ids $2, versions $3): user, and what is lacking as one text.
-- Index: accounts_pkey (in order), terms_accepted_pkey.
SELECT a.user_id, string_agg(u.policy_id || ' ' || u.version, ', ' ORDER BY u.place)
FROM accounts AS a CROSS JOIN unnest($2::text[], $3::text[]) WITH ORDINALITY AS u(policy_id, version, place)
WHERE a.user_id > $1 AND a.state <> 'deactivated' AND NOT a.is_guest AND NOT EXISTS (
	SELECT 1 FROM terms_accepted AS t
	WHERE t.user_id = a.user_id AND t.policy_id = u.policy_id AND t.version = u.version)
GROUP BY a.user_id ORDER BY a.user_id LIMIT $4;
