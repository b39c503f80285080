-- name: device_key_facts hot
-- One row: the device's signing key and body (NULL: none uploaded), its unclaimed one-time keys, and whether a cross-signing key
-- of the user is called like the device. Index: device_keys_pkey, one_time_key_counters_pkey, cross_signing_keys_pkey.
SELECT k.ed25519, k.body,
	(SELECT coalesce(sum(o.total - o.given), 0)::bigint FROM one_time_key_counters o WHERE o.user_id = $1 AND o.device_id = $2),
	EXISTS (SELECT 1 FROM cross_signing_keys c WHERE c.user_id = $1 AND c.public_key = $2),
	(SELECT s.signature FROM key_signatures s WHERE s.target_user = $1 AND s.target_key = $2
		AND s.signer_user = $1 AND s.signer_key = 'ed25519:' || $2)
FROM (SELECT 1) AS one LEFT JOIN device_keys k ON k.user_id = $1 AND k.device_id = $2;

-- name: device_key_query hot
-- All keys of users as one of them ($2) may see them, by user: devices (0: id, body, name), cross-signing keys (1: usage, body,
-- public key), signatures (2: key, signature, signer, signer's key). Index: device_keys_pkey, cross_signing_keys_pkey,
-- key_signatures_pkey.
SELECT 0, k.user_id, k.device_id, k.body, d.display_name, NULL
FROM device_keys k JOIN devices d ON d.user_id = k.user_id AND d.device_id = k.device_id
WHERE k.user_id = ANY($1::text[])
UNION ALL
SELECT 1, c.user_id, c.usage, c.body, c.public_key, NULL
FROM cross_signing_keys c WHERE c.user_id = ANY($1::text[])
UNION ALL
SELECT 2, s.target_user, s.target_key, s.signature, s.signer_user, s.signer_key
FROM key_signatures s WHERE s.target_user = ANY($1::text[]) AND s.signer_user IN (s.target_user, $2)
ORDER BY 2, 1, 3;

-- name: device_key_end_account
-- A user who is gone: cross-signing keys, what was signed with or of them, key backups. Who has the keys is told
-- (device_list_pending). Index: cross_signing_keys_pkey, key_signatures_pkey, key_signatures_signer_idx, key_backups_pkey.
WITH keys AS (
	DELETE FROM cross_signing_keys WHERE user_id = $1 RETURNING user_id
), told AS (
	INSERT INTO device_list_pending (user_id) SELECT DISTINCT user_id FROM keys ON CONFLICT DO NOTHING
), signatures AS (
	DELETE FROM key_signatures WHERE target_user = $1 OR signer_user = $1
)
DELETE FROM key_backups WHERE user_id = $1;
