-- name: terms_accept
-- A row for each policy: user, ids, versions, time. Index: terms_accepted_pkey.
INSERT INTO terms_accepted (user_id, policy_id, version, accepted_at_ms)
SELECT $1, u.policy_id, u.version, $4 FROM unnest($2::text[], $3::text[]) AS u(policy_id, version)
ON CONFLICT DO NOTHING;

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
